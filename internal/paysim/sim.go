package paysim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	tick    = 100 * time.Millisecond // longest step of the simulator's own time
	maxRate = 1000                   // requests a second
)

// VerifyFunc checks the signature header of a webhook's body; see Options.Verify.
type VerifyFunc func(secret []byte, header string, body []byte, now time.Time, tolerance time.Duration) error

// Options say what company to simulate. Verify is required, the rest has defaults.
type Options struct {
	Seed          uint64
	RatePerSecond float64       // requests a second to all services, the mean of a day; default 80, at most 1000
	Speed         float64       // seconds of the day's curve that pass a second; default 60: a day in 24 minutes
	TimeOfDay     time.Duration // where on the day's curve it starts; default midnight
	Revision      string        // what runs at the start; default v1
	RolloutTime   time.Duration // to replace all instances; default 2 s
	Manual        bool          // nothing moves except by Step

	Secret []byte // shared with who may call /rollback
	Verify VerifyFunc
	Now    func() time.Time // for signatures; default time.Now
	Logger *slog.Logger     // default: none
}

func (o *Options) defaults() error {
	if o.Verify == nil {
		return errors.New("the simulator needs a function that verifies signatures")
	}
	if o.RatePerSecond < 0 || o.RatePerSecond > maxRate {
		return fmt.Errorf("rate of %g requests a second: allowed are 0 to %d", o.RatePerSecond, maxRate)
	}
	if o.RatePerSecond == 0 {
		o.RatePerSecond = 80
	}
	if o.Speed <= 0 {
		o.Speed = 60
	}
	if o.Revision == "" {
		o.Revision = "v1"
	}
	if o.RolloutTime <= 0 {
		o.RolloutTime = 2 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Simulator is the running company.
type Simulator struct {
	opts     Options
	services []*service
	addrs    []string // of services, by index; the admin server's is adminAddr
	admin    *admin
	adminURL string
	client   *http.Client

	stepping sync.Mutex // one Step at a time; guards what follows
	elapsed  time.Duration
	arrivals *rand.Rand

	stop    context.CancelFunc
	servers []*http.Server
	running sync.WaitGroup
}

// Start listens on loopback and, unless opts.Manual is set, begins to send payments. It runs until
// Close; the end of ctx stops the payments but not the servers.
func Start(ctx context.Context, opts Options) (*Simulator, error) {
	if err := opts.defaults(); err != nil {
		return nil, fmt.Errorf("starting payment simulator: %w", err)
	}
	s := &Simulator{
		opts:     opts,
		arrivals: rand.New(rand.NewPCG(opts.Seed, 0)),
		client:   &http.Client{Timeout: time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 2}},
	}
	ctx, s.stop = context.WithCancel(ctx)
	for i, r := range rails() {
		s.services = append(s.services, newService(r, opts, uint64(i+1)))
	}
	s.admin = newAdmin(s)
	if err := s.serve(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("starting payment simulator: %w", err), s.Close(ctx))
	}
	if !opts.Manual {
		s.running.Go(func() { s.drive(ctx) })
		for _, c := range s.clearings() {
			s.running.Go(func() {
				c.keepTelling(ctx, func(err error) { opts.Logger.Warn("events are told again later", "err", err) })
			})
		}
	}
	return s, nil
}

func (s *Simulator) serve(ctx context.Context) error {
	for _, svc := range s.services {
		addr, err := s.listen(ctx, svc.handler())
		if err != nil {
			return err
		}
		s.addrs = append(s.addrs, addr)
	}
	addr, err := s.listen(ctx, s.admin.handler())
	s.adminURL = "http://" + addr
	return err
}

func (s *Simulator) listen(ctx context.Context, h http.Handler) (addr string, err error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		ErrorLog:          slog.NewLogLogger(s.opts.Logger.Handler(), slog.LevelDebug),
	}
	s.servers = append(s.servers, srv)
	s.running.Go(func() {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			s.opts.Logger.Error("payment service stopped serving", "err", err)
		}
	})
	return ln.Addr().String(), nil
}

// drive steps with the clock. A pause of the whole process does not turn into a burst of payments.
func (s *Simulator) drive(ctx context.Context) {
	t := time.NewTicker(tick / 2)
	defer t.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-t.C:
			s.Step(ctx, min(now.Sub(last), time.Second))
			last = now
		}
	}
}

// Step lets d of the simulator's time pass: payments arrive and are answered, rollouts move on. It
// returns when every payment has its answer, or early when ctx ends.
func (s *Simulator) Step(ctx context.Context, d time.Duration) {
	s.stepping.Lock()
	defer s.stepping.Unlock()
	for d > 0 && ctx.Err() == nil {
		step := min(d, tick)
		for i, svc := range s.services {
			s.send(ctx, i, s.expected(svc)*step.Seconds())
			svc.advance(step)
		}
		s.elapsed += step
		d -= step
	}
	if !s.opts.Manual {
		return
	}
	for _, c := range s.clearings() {
		if err := c.flush(ctx); err != nil {
			s.opts.Logger.Warn("events are told again later", "err", err)
		}
	}
}

func (s *Simulator) clearings() []*clearing {
	var all []*clearing
	for _, svc := range s.services {
		if svc.clears != nil {
			all = append(all, svc.clears)
		}
	}
	return all
}

// TellTo follows payments from now on from acceptance to settlement, and tells of each as events that an agent
// takes: POST url, a JSON array.
func (s *Simulator) TellTo(url string) {
	for _, c := range s.clearings() {
		c.listen(url)
	}
}

// expected is the present rate of payments to svc, a second.
func (s *Simulator) expected(svc *service) float64 {
	day := s.opts.TimeOfDay + time.Duration(float64(s.elapsed)*s.opts.Speed)
	return s.opts.RatePerSecond * svc.share * diurnal(day)
}

// send posts as many payments to service i as arrive when mean are expected.
func (s *Simulator) send(ctx context.Context, i int, mean float64) {
	svc := s.services[i]
	n := poisson(s.arrivals, mean)
	if svc.currentFaults().DropTraffic {
		return
	}
	for range n {
		if err := s.post(ctx, s.addrs[i], svc.newPayment(s.arrivals)); err != nil && ctx.Err() == nil {
			svc.unanswered()
		}
	}
}

func (s *Simulator) post(ctx context.Context, addr string, p payment) error {
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/payments", bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body) // so that the connection is used again
	return err
}

// Close stops the payments and the servers and waits for all of them. Requests under way have until
// the end of ctx.
func (s *Simulator) Close(ctx context.Context) error {
	s.stop()
	var errs []error
	for _, srv := range s.servers {
		if err := srv.Shutdown(ctx); err != nil {
			errs = append(errs, err, srv.Close())
		}
	}
	s.running.Wait()
	s.client.CloseIdleConnections()
	for _, c := range s.clearings() {
		c.client.CloseIdleConnections()
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing payment simulator: %w", err)
	}
	return nil
}

// Service is one service as the outside sees it.
type Service struct {
	Name      string   `json:"service"`   // card-auth
	Address   string   `json:"address"`   // host:port; /metrics and /payments are there
	Revisions []string `json:"revisions"` // of each instance
}

// Services lists the three: cards, instant transfers, crypto withdrawals.
func (s *Simulator) Services() []Service {
	out := make([]Service, len(s.services))
	for i, svc := range s.services {
		out[i] = Service{Name: svc.service, Address: s.addrs[i], Revisions: svc.revisions()}
	}
	return out
}

// AdminURL is where /deploy, /rollback, /faults, /restart and /truth are.
func (s *Simulator) AdminURL() string { return s.adminURL }

// Truth is what was served and what has settled, in the order of Services.
func (s *Simulator) Truth() []Tally {
	out := make([]Tally, len(s.services))
	for i, svc := range s.services {
		out[i] = svc.snapshot()
	}
	return out
}

// Deploy begins to replace all instances of a service by rev.
func (s *Simulator) Deploy(service string, rev Revision) error {
	svc, err := s.service(service)
	if err != nil {
		return err
	}
	if rev.Name == "" || len(rev.Name) > 100 || rev.TechnicalRatio < 0 || rev.TechnicalRatio > 1 {
		return fmt.Errorf("deploying to %s: want a name of 1 to 100 bytes and a technical ratio of 0 to 1", service)
	}
	if err := svc.deploy(rev); err != nil {
		return fmt.Errorf("deploying %s to %s: %w", rev.Name, service, err)
	}
	return nil
}

// SetFaults replaces the faults around a service.
func (s *Simulator) SetFaults(service string, f Faults) error {
	svc, err := s.service(service)
	if err != nil {
		return err
	}
	if f.TechnicalRatio < 0 || f.TechnicalRatio > 1 {
		return fmt.Errorf("setting faults of %s: technical ratio %g: allowed are 0 to 1", service, f.TechnicalRatio)
	}
	if f.SettlementStop && svc.clears == nil {
		return fmt.Errorf("setting faults of %s: its payments end with the answer, so no settlement can stop", service)
	}
	svc.setFaults(f)
	return nil
}

// Restart makes the counters of a service begin again at 0.
func (s *Simulator) Restart(service string) error {
	svc, err := s.service(service)
	if err != nil {
		return err
	}
	svc.restart()
	return nil
}

func (s *Simulator) service(name string) (*service, error) {
	for _, svc := range s.services {
		if svc.service == name {
			return svc, nil
		}
	}
	return nil, fmt.Errorf("%w: %q", errUnknownService, name)
}
