package paysim

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

const (
	instances    = 4        // how many instances a service has; a rollout replaces them one by one
	maxRevisions = 100      // that a service remembers
	maxBody      = 64 << 10 // bytes of any request
	loadSmooths  = 5 * time.Second
)

var (
	errUnknownService  = errors.New("no such service")
	errUnknownRevision = errors.New("no such revision")
	errTooMany         = errors.New("too many revisions")
)

// Revision is one version of a service's software.
type Revision struct {
	Name           string  `json:"revision"`
	TechnicalRatio float64 `json:"technical_ratio"` // share of payments that it fails, 0 to 1
	LatencyFactor  float64 `json:"latency_factor"`  // 1 or 0: as usual
}

// Faults are what can be wrong around the software. The zero value is a good day.
type Faults struct {
	TechnicalRatio float64 `json:"technical_ratio"` // share of payments that fail, on top of the revision's
	LatencyFactor  float64 `json:"latency_factor"`  // multiplies the revision's; 1 or 0: as usual
	DropTraffic    bool    `json:"drop_traffic"`    // customers cannot reach us: no requests arrive
	Down           bool    `json:"down"`            // every connection breaks, that of a scrape too
	SettlementStop bool    `json:"settlement_stop"` // payments are accepted, and none completes
}

// Tally is what a service did since it was first started, counted beside its metrics. Restarts of
// instances do not reset it.
type Tally struct {
	Service     string                      `json:"service"`
	Outcomes    map[string]int64            `json:"outcomes"`         // outcome to payments
	AmountMinor map[string]map[string]int64 `json:"amount_minor"`     // outcome to currency to minor units
	Slow        int64                       `json:"slow"`             // answered after the rail's limit
	Unanswered  int64                       `json:"unanswered"`       // sent by the load generator, never answered
	Settled     Settled                     `json:"settled,omitzero"` // of what was accepted; zero: the service settles nothing
}

// Answered is the number of payments with an outcome.
func (t Tally) Answered() int64 {
	var n int64
	for _, v := range t.Outcomes {
		n += v
	}
	return n
}

// service answers payments. Everything below mu is one consistent whole: the tally and the metrics
// of a payment change together.
type service struct {
	rail
	rollout time.Duration // how long replacing all instances takes
	full    float64       // requests in flight at which the service is full
	clears  *clearing     // nil: nothing follows an answer

	mu        sync.Mutex
	rng       *rand.Rand
	metrics   *metrics
	tally     Tally
	faults    Faults
	known     map[string]Revision
	running   [instances]Revision
	target    Revision
	next      int           // instance that takes the next payment
	waited    time.Duration // since the rollout's last replacement
	busy      float64       // seconds of work accepted since the last advance
	loadRatio float64
}

func newService(r rail, opts Options, stream uint64) *service {
	s := &service{
		rail:    r,
		rollout: opts.RolloutTime,
		full:    r.capacity * opts.RatePerSecond,
		rng:     rand.New(rand.NewPCG(opts.Seed, stream)),
		metrics: newMetrics(&r),
		known:   map[string]Revision{},
		tally: Tally{
			Service: r.service, Outcomes: map[string]int64{}, AmountMinor: map[string]map[string]int64{},
		},
	}
	if r.settles != nil {
		s.clears = newClearing(*r.settles, opts)
	}
	for _, outcome := range []string{r.success, Business, Technical} {
		s.tally.Outcomes[outcome] = 0
		s.tally.AmountMinor[outcome] = map[string]int64{}
	}
	first := Revision{Name: opts.Revision}
	s.known[first.Name] = first
	s.target = first
	for i := range s.running {
		s.running[i] = first
	}
	s.metrics.setRevisions(s.running[:])
	return s
}

// answer decides one payment.
func (s *service) answer(p payment) (outcome, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	rev := s.running[s.next]
	s.next = (s.next + 1) % instances

	fine := (1 - s.rail.faults) * (1 - rev.TechnicalRatio) * (1 - s.faults.TechnicalRatio)
	switch x := s.rng.Float64(); {
	case x >= fine:
		outcome, reason = Technical, pick(s.rng, s.technical)
	case x < fine*s.declines:
		outcome, reason = Business, pick(s.rng, s.business)
	default:
		outcome, reason = s.success, pick(s.rng, s.successes)
	}
	latency := s.median * math.Exp(s.sigma*s.rng.NormFloat64()) * factor(rev.LatencyFactor) * factor(s.faults.LatencyFactor)

	s.busy += latency
	s.tally.Outcomes[outcome]++
	s.tally.AmountMinor[outcome][p.Currency] += p.AmountMinor
	if latency > s.limit {
		s.tally.Slow++
	}
	s.metrics.observe(p, outcome, reason, latency)
	if s.clears != nil {
		s.clears.accept(p, outcome, reason)
	}
	return outcome, reason
}

func factor(f float64) float64 {
	if f <= 0 {
		return 1
	}
	return f
}

// advance moves a rollout and the load gauge on by d.
func (s *service) advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	each := s.rollout / instances
	for s.waited += d; s.waited >= each && s.replaceOne(); s.waited -= each {
	}
	inFlight := s.busy / d.Seconds() // Little's law: arrivals a second times seconds each stays
	s.busy = 0
	s.loadRatio += (inFlight/s.full - s.loadRatio) * (1 - math.Exp(-d.Seconds()/loadSmooths.Seconds()))
	s.metrics.inFlight.Set(min(1, s.loadRatio))
	if s.clears != nil {
		s.clears.advance(d)
	}
}

// replaceOne puts the target revision on one instance and reports whether there was one to replace.
func (s *service) replaceOne() bool {
	for i := range s.running {
		if s.running[i].Name != s.target.Name {
			s.running[i] = s.target
			s.metrics.setRevisions(s.running[:])
			return true
		}
	}
	return false
}

// deploy begins to replace the running revision by rev and remembers rev for rollbacks.
func (s *service) deploy(rev Revision) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.known[rev.Name]; !ok && len(s.known) >= maxRevisions {
		return errTooMany
	}
	s.known[rev.Name] = rev
	s.target, s.waited = rev, 0
	return nil
}

// rollBack begins to replace what runs by a revision that was deployed before.
func (s *service) rollBack(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	rev, ok := s.known[name]
	if !ok {
		return errUnknownRevision
	}
	s.target, s.waited = rev, 0
	return nil
}

// restart is the death and rebirth of the process behind /metrics: its counters begin again at 0.
func (s *service) restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.metrics = newMetrics(&s.rail)
	s.metrics.setRevisions(s.running[:])
}

func (s *service) setFaults(f Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = f
	if s.clears != nil {
		s.clears.stop(f.SettlementStop)
	}
}

func (s *service) currentFaults() Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults
}

func (s *service) unanswered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tally.Unanswered++
}

// snapshot copies the tally.
func (s *service) snapshot() Tally {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tally
	t.Outcomes = map[string]int64{}
	t.AmountMinor = map[string]map[string]int64{}
	for outcome, n := range s.tally.Outcomes {
		t.Outcomes[outcome] = n
		amounts := map[string]int64{}
		maps.Copy(amounts, s.tally.AmountMinor[outcome])
		t.AmountMinor[outcome] = amounts
	}
	if s.clears != nil {
		t.Settled = s.clears.settled()
	}
	return t
}

// revisions names the revision of every instance.
func (s *service) revisions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, instances)
	for i, rev := range s.running {
		names[i] = rev.Name
	}
	return names
}

// handler serves payments and metrics.
func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /payments", s.servePayment)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		h := s.metrics.handler
		s.mu.Unlock()
		h.ServeHTTP(w, r)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.currentFaults().Down {
			breakConnection(w)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// servePayment answers 200 for declines too, as payment APIs do: only the body tells a decline from
// an approval. A fault is a 502.
func (s *service) servePayment(w http.ResponseWriter, r *http.Request) {
	var p payment
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&p); err != nil || !s.valid(p) {
		http.Error(w, "want a payment with a known "+s.byLabel+", a known currency and a positive amount", http.StatusBadRequest)
		return
	}
	outcome, reason := s.answer(p)
	status := http.StatusOK
	if outcome == Technical {
		status = http.StatusBadGateway
	}
	writeJSON(w, status, map[string]string{"outcome": outcome, "reason": reason})
}

// breakConnection ends the connection without an answer, as a dead process does.
func breakConnection(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "down", http.StatusServiceUnavailable)
		return
	}
	_ = conn.Close() // nobody is left to tell
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the reader has gone away
}
