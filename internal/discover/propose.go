package discover

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/slo/spec"
)

// Bounds on what is proposed.
const (
	maxDocuments = 20 // of one service
	maxNameBytes = 46 // of a document, so that the names of its objectives stay below 63
)

// Document is one GoldenSignals document proposed.
type Document struct {
	Name    string // unique among all that one call of Propose gave
	Service string
	Title   string // of the comment above
	Rail    string // names a rail and nothing else; "" otherwise
	Signals []Signal
	notes   []string
	of      *Service
}

// Propose makes documents for services. Each has been loaded as objectives, and every selector of its
// signals matches what was seen, save those of failures that have not happened yet. left says what
// was left out and why.
func Propose(services []*Service, table *Table) (docs []Document, left []string) {
	p := proposer{Table: table, names: map[string]bool{}}
	for _, s := range services {
		p.service(s)
	}
	return p.docs, p.left
}

type proposer struct {
	*Table
	names map[string]bool
	docs  []Document
	left  []string
}

func (p *proposer) service(s *Service) {
	var known []*System
	before := len(p.docs)
	for i := range p.Systems {
		sys := &p.Systems[i]
		// Of a system whose names all belong to another nothing is left: etcd's calls are no other gRPC server's.
		if s.isA(sys) && !slices.ContainsFunc(known, func(k *System) bool {
			return !slices.ContainsFunc(sys.Fingerprint, func(name string) bool { return !k.owns(name) })
		}) {
			known = append(known, sys)
			p.system(s, sys)
		}
	}
	drafts := s.byNames(known, p.codes)
	for i, d := range drafts {
		if len(p.docs)-before >= maxDocuments {
			p.left = append(p.left, fmt.Sprintf("%s: %d more groups of metrics that look like golden signals, from %s on: there are more than %d documents of this service", s.called(), len(drafts)-i, shown(d.stem), maxDocuments))
			break
		}
		if len(d.signals) == 0 {
			for _, note := range d.notes {
				p.left = append(p.left, shown(d.stem)+": "+strings.TrimSuffix(note, "."))
			}
			continue
		}
		doc := Document{Name: joined(s.Name, d.stem), Service: s.Name, Title: "Judged by its names: " + shown(d.stem) + "_...", notes: d.notes, of: s}
		for _, kind := range []string{errorsSignal, latencySignal, trafficSignal, saturationSignal} {
			if sig, ok := d.signals[kind]; ok {
				doc.Signals = append(doc.Signals, sig)
			}
		}
		p.add(doc)
	}
}

// called is what messages call a service.
func (s *Service) called() string {
	if s.Name == "" {
		return "the target"
	}
	return shown(s.Name)
}

// system proposes what the table has.
func (p *proposer) system(s *Service, sys *System) {
	title := fmt.Sprintf("Known by its metrics: %s. From %s, as of %s.", sys.Title, sys.Source, sys.Date)
	if sys.Rails != "" {
		p.railsOf(s, sys, title)
	}
	for i := range sys.Documents {
		d := &sys.Documents[i]
		base := s.Name
		if base == "" {
			base = sys.Name
		}
		doc := Document{Name: joined(base, d.Name), Service: base, Title: title, of: s}
		doc.Signals, doc.notes = s.signals(d)
		if len(doc.Signals) > 0 {
			p.add(doc)
			continue
		}
		for _, note := range doc.notes {
			p.left = append(p.left, doc.Name+": "+strings.TrimSuffix(note, "."))
		}
	}
}

// railsOf proposes a document for each rail whose movements are counted.
func (p *proposer) railsOf(s *Service, sys *System, title string) {
	for _, name := range slices.Sorted(maps.Keys(s.families[sys.Rails].values("rail"))) {
		if !slices.Contains(p.rails, name) {
			p.left = append(p.left, fmt.Sprintf("%s: the rail %s is none of those built in; a document with rail: and its name works where the agent file describes it", s.called(), shown(name)))
			continue
		}
		doc := Document{Name: joined(s.Name, name), Service: name, Title: title, Rail: name, of: s,
			notes: []string{"The rail brings the objectives with it; `assayer expand` prints them. With currency: EUR (or another) there are objectives of value too."}}
		total := s.selector(sys.Rails, labels.MustNewMatcher(labels.MatchEqual, "rail", name))
		doc.Signals = []Signal{{Kind: errorsSignal, selectors: []*spec.Selector{total}}}
		p.add(doc)
	}
}

var notInNames = regexp.MustCompile(`[^a-z0-9]+`)

// joined makes the name of a document of a service's and a part's; one that the other begins with is said once.
func joined(service, part string) string {
	slug := func(text string) string {
		return strings.Trim(notInNames.ReplaceAllString(strings.ToLower(text), "-"), "-")
	}
	a, b := slug(service), slug(part)
	name := strings.Trim(a+"-"+b, "-")
	if a == b || strings.HasPrefix(b, a+"-") {
		name = b
	}
	if len(name) > maxNameBytes {
		name = strings.TrimRight(name[:maxNameBytes], "-")
	}
	if name == "" {
		name = "service"
	}
	return name
}

// add takes a document if it loads and its selectors match what was seen.
func (p *proposer) add(doc Document) {
	base := doc.Name
	for n := 2; p.names[doc.Name]; n++ {
		doc.Name = fmt.Sprintf("%s-%d", base, n)
	}
	if sensitive(doc.Name) != "" || sensitive(doc.Service) != "" {
		p.left = append(p.left, "a service whose name looks like "+sensitive(doc.Name+doc.Service))
		return
	}
	if why := doc.check(); why != "" {
		p.left = append(p.left, fmt.Sprintf("%s: what was made of it is no valid objective: %s", shown(doc.Name), why))
		return
	}
	p.names[doc.Name] = true
	p.docs = append(p.docs, doc)
}

// check loads the document and says what is wrong with it; "" is nothing.
func (d *Document) check() string {
	set, problems := spec.Load([]spec.File{{Name: d.Name + ".yaml", Data: []byte(d.YAML())}}, spec.Options{Strict: true})
	if problems.Errors() > 0 {
		return maskText(problems.Error())
	}
	for _, sig := range d.Signals {
		for _, sel := range sig.selectors {
			if !d.of.sees(sel) {
				return maskText(sel.Text + " matches no series")
			}
		}
		if sensitive(fmt.Sprint(sig.fields)) != "" {
			return "a selector holds what looks like " + sensitive(fmt.Sprint(sig.fields))
		}
	}
	if d.Rail != "" {
		return ""
	}
	for i := range set.Objectives {
		o := &set.Objectives[i]
		for _, sel := range o.Selectors() {
			expected := d.of.sees(sel) || slices.ContainsFunc(d.Signals, func(sig Signal) bool {
				return sig.mayMiss != nil && sig.mayMiss.Text == sel.Text
			}) || o.Indicator.Ratio != nil && sel == o.Indicator.Ratio.Excluded
			if !expected {
				return maskText(sel.Text + " matches no series")
			}
		}
	}
	return ""
}

// sees reports whether any series matches sel, or of a histogram one of its parts.
func (s *Service) sees(sel *spec.Selector) bool {
	if s.count(sel).series > 0 {
		return true
	}
	name := sel.MetricName()
	f := s.families[name+bucketSuffix]
	if f == nil {
		return false
	}
	rest := nameless(sel.Matchers)
	return slices.ContainsFunc(f.series, func(p point) bool { return allMatch(rest, p.labels) })
}
