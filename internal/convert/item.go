package convert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
	"github.com/assayer-io/assayer/slo/spec"
)

// Item is one document that is made, or why it is not.
type Item struct {
	Was string          // what the tool calls it
	At  strictyaml.Node // where it stands
	// Bare says what a selector gives of which a query takes no increase.
	Bare Bare

	run        *Run
	format     string
	source     strictyaml.Node // its document
	doc        *Document
	notices    []Notice
	objectives []string
	output     int // number of the file it goes to
}

// Bare is what a document says of selectors that stand in queries as they are.
type Bare int

// Nothing says what they are, or they are counters, or gauges.
const (
	Unsaid Bare = iota
	Counters
	Gauges
)

// Item begins one. Source is the document, at the place in it that becomes a document of its own.
func (r *Run) Item(source, at strictyaml.Node, was string) *Item {
	it := &Item{Was: was, At: at, run: r, format: r.format, source: source}
	r.items = append(r.items, it)
	return it
}

// Window is that of documents which name none.
func (r *Run) Window() string { return r.opts.Window }

// Refused reports whether the document is not made.
func (it *Item) Refused() bool {
	return slices.ContainsFunc(it.notices, func(n Notice) bool { return n.Refused })
}

// maxShown is how many bytes of a value a message repeats.
const maxShown = 200

// Warn tells of a loss. The problem's path is relative to n.
func (it *Item) Warn(kind Loss, n strictyaml.Node, path string, p problem.Problem) {
	p.Path = path
	if len(p.Got) > maxShown {
		p.Got = strings.ToValidUTF8(p.Got[:maxShown], "") + "..."
	}
	at := n.Problem(p)
	if path == "" {
		at.Path = n.Path()
	}
	at.Warning = true
	at.Message = strings.TrimSuffix(string(kind)+": "+at.Message, ": ")
	for _, known := range it.notices {
		if known.Problem == at {
			return
		}
	}
	it.notices = append(it.notices, Notice{Kind: kind, Document: it.Was, Refused: kind.Refuses(), Problem: at})
}

// Refuse tells why the document is not made.
func (it *Item) Refuse(kind Loss, n strictyaml.Node, path string, p problem.Problem) {
	p.Message = fmt.Sprintf("%s is not converted: %s", it.Was, p.Message)
	it.Warn(kind, n, path, p)
}

// Why is the loss that costs the document, if one does.
func (it *Item) Why() (Loss, bool) {
	for _, n := range it.notices {
		if n.Refused {
			return n.Kind, true
		}
	}
	return "", false
}

// Name is the name of the document made, or "".
func (it *Item) Name() string {
	if it.doc == nil {
		return ""
	}
	return it.doc.Metadata.Name
}

// Wrong refuses a value that is not what may stand there.
func (it *Item) Wrong(n strictyaml.Node, path, allowed string) {
	p := n.At(path).Wrong(allowed)
	message := p.Message
	if message == "" {
		message = "this cannot be read"
	}
	it.Refuse(InvalidValue, n, path, problem.Problem{Message: message, Got: p.Got, Allowed: allowed})
}

// Fields warns of all fields of a mapping but those known, and refuses what is no mapping. It reports whether n is one.
func (it *Item) Fields(n strictyaml.Node, known ...string) bool {
	if !n.Exists() {
		return false
	}
	if !n.IsMapping() {
		it.Wrong(n, "", "a mapping with the fields "+strings.Join(known, ", "))
		return false
	}
	var fields map[string]strictyaml.Node
	for _, p := range n.Decode(&fields) { // keys that are there twice
		it.Refuse(InvalidValue, n, "", problem.Problem{Message: p.Message, Got: p.Path})
	}
	for _, e := range n.Entries() {
		if !slices.Contains(known, e.Key) {
			p := n.UnknownField(e.Key, known)
			it.Warn(IgnoredField, e.Value, "", problem.Problem{Message: "is not read" + strings.TrimPrefix(p.Message, "unknown field"), Got: e.Value.Shown()})
		}
	}
	return true
}

// Texts reads a mapping of texts; numbers and bools are taken as they are spelled.
func (it *Item) Texts(n strictyaml.Node) map[string]string {
	out := map[string]string{}
	for _, e := range n.Entries() {
		if e.Value.IsList() || e.Value.IsMapping() {
			it.Warn(IgnoredField, e.Value, "", problem.Problem{Message: "is no text", Got: e.Value.Shown()})
			continue
		}
		out[e.Key] = e.Value.Text()
	}
	if n.Exists() && !n.IsMapping() {
		it.Warn(IgnoredField, n, "", problem.Problem{Message: "is no mapping of texts", Got: n.Shown()})
	}
	return out
}

// Listed shows a mapping of texts in one line.
func Listed(texts map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(texts)) {
		parts = append(parts, k+"="+texts[k])
	}
	return strings.Join(parts, ", ")
}

// Ratio reads two queries: one counts a part of the events that the other one does, good ones or bad ones. It is nil,
// and the item refused, if they cannot be streamed.
func (it *Item) Ratio(part, total strictyaml.Node, good bool) *Indicator {
	for _, n := range []strictyaml.Node{part, total} {
		if n.Text() == "" {
			it.Wrong(n, "", "a query")
			return nil
		}
	}
	ind, why := ofEvents(part.Text(), total.Text(), good)
	if why != nil { // which of the two it is
		at := part
		if _, ofPart := parseQuery(part.Text()); ofPart == nil {
			if _, ofTotal := parseQuery(total.Text()); ofTotal != nil {
				at = total
			}
		}
		return it.read(at, nil, why)
	}
	return it.read(part, ind, nil)
}

// GoodAndBad reads two queries that count good and bad events, which together are all.
func (it *Item) GoodAndBad(good, bad strictyaml.Node) *Indicator {
	ind, why := ofParts(good.Text(), bad.Text())
	return it.read(good, ind, why)
}

// Raw reads a query that computes a ratio of good or of bad events.
func (it *Item) Raw(n strictyaml.Node, good bool) *Indicator {
	ind, why := raw(n.Text(), good)
	return it.read(n, ind, why)
}

// Gauge reads a query whose samples are compared with a value.
func (it *Item) Gauge(n strictyaml.Node) *Indicator {
	ind, why := gauge(n.Text())
	return it.read(n, ind, why)
}

// Histogram reads the selector of a native histogram, of which what keeps below a limit in its own unit is good.
func (it *Item) Histogram(n strictyaml.Node, below float64) *Indicator {
	ind, why := gauge(n.Text())
	if why == nil {
		yes := true
		metric := ind.ThresholdMetric
		metric.Source.Spec.Below = below
		ind.SLI = SLI{RatioMetric: &RatioMetric{Counter: &yes, Good: metric}}
	}
	return it.read(n, ind, why)
}

func (it *Item) read(n strictyaml.Node, ind *Indicator, why *reason) *Indicator {
	if why == nil {
		why = it.counters(ind.bare)
	}
	if why != nil {
		it.Refuse(why.kind, n, "", problem.Problem{Message: why.message, Got: n.Shown()})
		return nil
	}
	if len(ind.bare) > 0 && it.Bare == Unsaid {
		it.Warn(Assumed, n, "", problem.Problem{Message: "nothing says whether this is a counter, and it is taken as one", Got: n.Shown()})
	}
	for _, note := range ind.notes {
		it.Warn(note.kind, n, "", problem.Problem{Message: note.message, Got: n.Shown()})
	}
	return ind
}

// counters tells why selectors of which no increase was taken cannot be counted. A colon is in the names of what rules
// record, and hardly a rule records a counter.
func (it *Item) counters(bare []string) *reason {
	for _, selector := range bare {
		switch {
		case it.Bare == Gauges:
			return polled("reads " + selector + " as it is, which is said to be no counter")
		case it.Bare == Unsaid && isRecorded(selector):
			return polled("reads " + selector + " as it is, which a rule recorded, so that it is hardly a counter")
		}
	}
	return nil
}

func isRecorded(selector string) bool {
	return slices.ContainsFunc(matchersOf(selector), func(m *labels.Matcher) bool {
		return m.Name == labels.MetricName && strings.Contains(m.Value, ":")
	})
}

// Make gives the item its document. The name is made a DNS label, and unique among those of its kind; two documents that
// are the same to their tool, by identity, are not both made. Without an identity the name need not be unique.
func (it *Item) Make(d Document, identity string) {
	if it.Refused() {
		return
	}
	d.APIVersion = openSLO
	d.Metadata.Name = it.name(d.Kind, d.Metadata.Name, identity)
	if slo, ok := d.Spec.(SLO); ok && slo.Indicator != nil && slo.Indicator.Metadata.Name == "" {
		slo.Indicator.Metadata.Name = d.Metadata.Name
	}
	if !it.Refused() {
		it.doc = &d
	}
}

// hashLength is how many letters of a hash end a name that was cut.
const hashLength = 8

func (it *Item) name(kind, wanted, identity string) string {
	label := spec.DNSLabel(wanted)
	if label == "" {
		it.Refuse(InvalidValue, it.At, "", problem.Problem{Message: "has no name that a DNS label could be made of", Got: wanted})
		return ""
	}
	if len(label) > spec.MaxName {
		sum := sha256.Sum256([]byte(wanted))
		label = strings.TrimRight(label[:spec.MaxName-hashLength-1], "-") + "-" + hex.EncodeToString(sum[:])[:hashLength]
	}
	base := label
	for n := 2; identity != "" && it.run.names[kind+"/"+label] != ""; n++ {
		if it.run.names[kind+"/"+label] == identity {
			it.Refuse(DuplicateName, it.At, "", problem.Problem{Message: "another document has this name already", Got: wanted})
			return ""
		}
		suffix := fmt.Sprint("-", n)
		label = strings.TrimRight(base[:min(len(base), spec.MaxName-len(suffix))], "-") + suffix
	}
	it.run.names[kind+"/"+label] = identity
	if label != wanted {
		it.Warn(Renamed, it.At, "", problem.Problem{Message: "is called " + label + " here", Got: wanted})
	}
	return label
}

// comments are the lines above the document.
func (it *Item) comments() []string {
	lines := []string{fmt.Sprintf("from %s:%d (%s)", it.At.File(), it.At.Line(), it.format)}
	for _, n := range it.notices {
		n.File, n.Line, n.Column = "", 0, 0
		lines = append(lines, strings.TrimPrefix(n.Problem.String(), ": warning: "))
	}
	return lines
}
