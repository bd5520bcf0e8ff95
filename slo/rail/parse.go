package rail

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo/calendar"
	"github.com/assayer-io/assayer/slo/reason"
)

// MaxFileBytes bounds one file of rails.
const MaxFileBytes = 1 << 20

const (
	apiVersion = "assayer.dev/v1"
	kind       = "Rail"
)

// document is one rail as written.
type document struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
	Metadata   struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec railSpec `yaml:"spec"`
}

type railSpec struct {
	Title        string                  `yaml:"title"`
	Calendar     string                  `yaml:"calendar"`
	ValidFrom    string                  `yaml:"validFrom"`
	States       []stateSpec             `yaml:"states"`
	Deadline     deadlineSpec            `yaml:"deadline"`
	InDoubt      time.Duration           `yaml:"inDoubt"`
	Role         strictyaml.Node         `yaml:"role"`
	Reasons      reasonsSpec             `yaml:"reasons"`
	Buckets      []time.Duration         `yaml:"buckets"`
	CappedAmount string                  `yaml:"cappedAmount"`
	Limits       []limitSpec             `yaml:"limits"`
	Objectives   map[string]proposalSpec `yaml:"objectives"`
	Signals      map[string]string       `yaml:"signals"`
	Dashboard    dashboardSpec           `yaml:"dashboard"`
}

type stateSpec struct {
	Name  string `yaml:"name"`
	Rank  *int   `yaml:"rank"`
	Kind  string `yaml:"kind"`
	Class string `yaml:"class"`
}

type deadlineSpec struct {
	Within        *time.Duration     `yaml:"within"`
	EndOfDay      *endOfDaySpec      `yaml:"endOfDay"`
	Windows       []windowSpec       `yaml:"windows"`
	Confirmations *confirmationsSpec `yaml:"confirmations"`
	Settles       string             `yaml:"settles"`
}

type endOfDaySpec struct {
	Days   int    `yaml:"days"`
	At     string `yaml:"at"`
	CutOff struct {
		Name string `yaml:"name"`
		At   string `yaml:"at"`
	} `yaml:"cutOff"`
}

type windowSpec struct {
	Name   string `yaml:"name"`
	CutOff string `yaml:"cutOff"`
	At     string `yaml:"at"`
	Days   int    `yaml:"days"`
}

type confirmationsSpec struct {
	Blocks    int           `yaml:"blocks"`
	BlockTime time.Duration `yaml:"blockTime"`
	Grace     time.Duration `yaml:"grace"`
}

type rolesSpec struct {
	Out string `yaml:"out"`
	In  string `yaml:"in"`
}

type reasonsSpec struct {
	Scheme string `yaml:"scheme"`
	List   string `yaml:"list"`
}

type limitSpec struct {
	Name   string `yaml:"name"`
	Value  string `yaml:"value"`
	Text   string `yaml:"text"`
	Source string `yaml:"source"`
	AsOf   string `yaml:"asOf"`
	Until  string `yaml:"until"`
}

type proposalSpec struct {
	Objective *strictyaml.Ratio `yaml:"objective"`
	Window    string            `yaml:"window"`
	Below     strictyaml.Node   `yaml:"below"`
	Gauge     string            `yaml:"gauge"`
	AtLeast   *strictyaml.Ratio `yaml:"atLeast"`
	Text      string            `yaml:"text"`
}

type dashboardSpec struct {
	Order    int    `yaml:"order"`
	TimeUnit string `yaml:"timeUnit"`
	RateUnit string `yaml:"rateUnit"`
}

// Parse reads the rails of one file: YAML documents of the kind Rail. It reports every problem at once; a
// rail with an error is left out.
func Parse(file string, data []byte) ([]Rail, problem.List) {
	docs, problems := strictyaml.Parse(file, data, MaxFileBytes)
	var rails []Rail
	lines := map[string]int{}
	for _, n := range docs {
		r, found := parseDocument(n)
		at := n.At("metadata.name")
		if first, again := lines[r.Name]; again && r.Name != "" {
			found = append(found, at.Problem(problem.Problem{Message: fmt.Sprintf("a rail of this name is already on line %d", first), Got: r.Name}))
		} else {
			lines[r.Name] = at.Line()
		}
		problems = append(problems, found...)
		if found.Err() == nil {
			rails = append(rails, r)
		}
	}
	problems.Sort()
	return rails, problems
}

// reader gathers what is wrong with one document.
type reader struct {
	n        strictyaml.Node // its spec
	spec     *railSpec
	rail     *Rail
	problems problem.List
}

func (r *reader) add(p problem.Problem) { r.problems = append(r.problems, p) }

func parseDocument(n strictyaml.Node) (Rail, problem.List) {
	if !n.IsMapping() {
		return Rail{}, problem.List{n.Wrong("a document with apiVersion, kind, metadata and spec")}
	}
	var doc document
	form := n.Decode(&doc)
	out := Rail{File: n.File(), Line: n.At("metadata.name").Line()}
	r := &reader{n: n.At("spec"), spec: &doc.Spec, rail: &out}
	if doc.APIVersion != apiVersion {
		r.add(n.At("apiVersion").Wrong(apiVersion))
	}
	if doc.Kind != kind {
		r.add(n.At("kind").Wrong(kind))
	}
	out.Name = r.word(n.At("metadata.name"))
	r.head()
	r.states()
	r.deadline()
	r.buckets()
	r.limits()
	r.proposals()
	r.hints()
	return out, form.Merge(r.problems)
}

var plainWord = regexp.MustCompile(`^[a-z0-9]([-_a-z0-9]*[a-z0-9])?$`)

const (
	maxWord     = 63
	wordAllowed = "lower-case letters, digits, dashes and underscores, at most 63"
)

// word reads a name that becomes the value of a label.
func (r *reader) word(n strictyaml.Node) string {
	if text := n.Text(); !plainWord.MatchString(text) || len(text) > maxWord {
		r.add(n.Wrong(wordAllowed))
	}
	return n.Text()
}

// optional is word where nothing may be written.
func (r *reader) optional(n strictyaml.Node) string {
	if !n.Exists() {
		return ""
	}
	return r.word(n)
}

// text reads what has to be there, whatever it says.
func (r *reader) text(n strictyaml.Node, allowed string) string {
	if strings.TrimSpace(n.Text()) == "" {
		r.add(n.Wrong(allowed))
	}
	return n.Text()
}

// head reads what concerns the rail as a whole.
func (r *reader) head() {
	r.rail.Title = r.text(r.n.At("title"), "what people call the rail")
	r.rail.Calendar = r.word(r.n.At("calendar"))
	r.rail.ValidFrom = r.date(r.n.At("validFrom"))
	if r.rail.InDoubt = r.spec.InDoubt; r.rail.InDoubt < 0 || r.rail.InDoubt > maxWait {
		r.add(r.n.At("inDoubt").Wrong("a duration up to 400d"))
	}
	role := r.n.At("role")
	if role.IsMapping() {
		r.problems = append(r.problems, role.Decode(&rolesSpec{})...)
		r.rail.Role, r.rail.RoleIn = r.optional(role.At("out")), r.optional(role.At("in"))
	} else {
		r.rail.Role = r.optional(role)
	}
	r.rail.Scheme, r.rail.List = r.optional(r.n.At("reasons.scheme")), r.optional(r.n.At("reasons.list"))
	r.rail.Capped = r.amount(r.n.At("cappedAmount"))
}

// date reads a civil date.
func (r *reader) date(n strictyaml.Node) calendar.Date {
	d, ok := calendar.ParseDate(n.Text())
	if !ok {
		r.add(n.Wrong("a date such as 2026-12-25"))
		return calendar.Date{}
	}
	return d
}

// minute reads a time of day, which may be on the day after: 26:15.
func (r *reader) minute(n strictyaml.Node) int {
	at, ok := calendar.ParseClock(n.Text())
	if !ok || at < 1 {
		r.add(n.Wrong("a time of day such as 17:00, from 00:01 to 48:00"))
		return 0
	}
	return at
}

// maxStates is how many a rail may have: one bit each says which of them a movement was told to be in.
const maxStates = 32

// rankEnd is that of every state that ends a movement.
const rankEnd = 100

// CommonStates are those every rail knows. A rail's own come between them, by rank, and replace those of
// the same name.
func CommonStates() []State {
	return []State{
		{Name: StateReceived, Rank: 10, Kind: Open},
		{Name: StateAccepted, Rank: 30, Kind: Open},
		{Name: StateSent, Rank: 50, Kind: Open},
		{Name: StateInDoubt, Rank: 90, Kind: InDoubt},
		{Name: StateSettled, Rank: rankEnd, Kind: Success},
		{Name: StateRejected, Rank: rankEnd, Kind: Failure},
		{Name: StateCancelled, Rank: rankEnd, Kind: Cancelled},
		{Name: StateReturned, Rank: rankEnd, Kind: Return},
	}
}

func kinds() []string {
	return []string{string(Open), string(InDoubt), string(Success), string(Failure), string(Cancelled), string(Return)}
}

// classes are those that a failure may have.
func classes() []string {
	var names []string
	for _, c := range []reason.Class{reason.TechnicalOwn, reason.TechnicalPeer, reason.TechnicalScheme, reason.TechnicalUnknown, reason.Format, reason.Duplicate,
		reason.Routing, reason.CutOff, reason.Liquidity, reason.Business, reason.Fraud, reason.Compliance, reason.Ambiguous} {
		names = append(names, string(c))
	}
	return names
}

// states reads the rail's own and adds the common ones that it does not write.
func (r *reader) states() {
	found := CommonStates()
	seen := map[string]bool{}
	list := r.n.At("states")
	for i := range r.spec.States {
		s := r.state(list.At(fmt.Sprintf("[%d]", i)), &r.spec.States[i])
		if seen[s.Name] && s.Name != "" {
			r.add(list.At(fmt.Sprintf("[%d].name", i)).Problem(problem.Problem{Message: "a state of this name is there already", Got: s.Name}))
			continue
		}
		seen[s.Name] = true
		found = append(slices.DeleteFunc(found, func(o State) bool { return o.Name == s.Name }), s)
	}
	if len(found) > maxStates {
		r.add(list.Problem(problem.Problem{Message: "too many states", Got: fmt.Sprint(len(found)), Allowed: fmt.Sprintf("at most %d with the %d common ones", maxStates, len(CommonStates()))}))
	}
	slices.SortStableFunc(found, func(a, b State) int { return a.Rank - b.Rank })
	r.rail.States = found
}

func (r *reader) state(n strictyaml.Node, in *stateSpec) State {
	s := State{Name: r.word(n.At("name")), Kind: Kind(in.Kind), Class: reason.Class(in.Class)}
	if !slices.Contains(kinds(), in.Kind) {
		p := n.At("kind").Wrong(strings.Join(kinds(), ", "))
		if in.Kind != "" {
			p.Message = strings.TrimPrefix(strictyaml.DidYouMean(in.Kind, kinds()), ", ")
		}
		r.add(p)
		return s
	}
	ends := s.Kind != Open && s.Kind != InDoubt
	switch rank := n.At("rank"); {
	case ends:
		// Whatever ends a movement comes last and ends it alike.
		if s.Rank = rankEnd; in.Rank != nil && *in.Rank != rankEnd {
			r.add(rank.Wrong(fmt.Sprintf("%d, or nothing: this state ends a movement", rankEnd)))
		}
	case in.Rank == nil || *in.Rank < 1 || *in.Rank >= rankEnd:
		r.add(rank.Wrong(fmt.Sprintf("a whole number from 1 to %d: a movement only goes up", rankEnd-1)))
	default:
		s.Rank = *in.Rank
	}
	switch class := n.At("class"); {
	case !class.Exists():
	case s.Kind != Failure:
		r.add(class.Problem(problem.Problem{Message: "is for kind failure", Got: in.Class}))
	case !slices.Contains(classes(), in.Class):
		p := class.Wrong(strings.Join(classes(), ", "))
		p.Message = strings.TrimPrefix(strictyaml.DidYouMean(in.Class, classes()), ", ")
		r.add(p)
	}
	return s
}
