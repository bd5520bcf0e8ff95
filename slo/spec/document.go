package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/assayer-io/assayer/internal/problem"
	"github.com/assayer-io/assayer/internal/strictyaml"
)

const (
	openSLO = "openslo/v1"
	ours    = "assayer.dev/v1"

	kindSLO              = "SLO"
	kindSLI              = "SLI"
	kindDataSource       = "DataSource"
	kindService          = "Service"
	kindGoldenSignals    = "GoldenSignals"
	kindCompositeSLO     = "CompositeSLO"
	kindBudgetPolicy     = "BudgetPolicy"
	kindBusinessCalendar = "BusinessCalendar"
)

// notUsed lists the kinds of OpenSLO that are read over.
func notUsed() []string {
	return []string{"AlertPolicy", "AlertCondition", "AlertNotificationTarget", kindDataSource}
}

func openSLOKinds() []string {
	return append([]string{kindSLO, kindSLI, kindService}, notUsed()...)
}

func ourKinds() []string {
	return []string{kindGoldenSignals, kindCompositeSLO, kindBudgetPolicy, kindBusinessCalendar}
}

// header is what every document begins with.
type header struct {
	APIVersion string   `yaml:"apiVersion"`
	Kind       string   `yaml:"kind"`
	Metadata   metadata `yaml:"metadata"`
}

type metadata struct {
	Name        string            `yaml:"name"`
	DisplayName string            `yaml:"displayName"`
	Labels      labelMap          `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// labelMap has labels whose value is a text or a list of texts; a list is joined with commas.
type labelMap map[string]string

// UnmarshalNode reads both forms of a value.
func (m *labelMap) UnmarshalNode(n strictyaml.Node) problem.List {
	var values map[string]strictyaml.Node
	problems := n.Decode(&values)
	if len(values) > 0 {
		*m = make(labelMap, len(values))
	}
	for _, e := range n.Entries() {
		var list []string
		if e.Value.IsList() {
			problems = append(problems, e.Value.Decode(&list)...)
		} else {
			var one string
			if !e.Value.Exists() || e.Value.IsMapping() {
				problems = append(problems, e.Value.Wrong("text or a list of texts"))
			} else {
				problems = append(problems, e.Value.Decode(&one)...)
			}
			list = []string{one}
		}
		if *m != nil {
			(*m)[e.Key] = strings.Join(list, ",")
		}
	}
	return problems
}

// parsedFile is one file's documents, and what is wrong with it as YAML.
type parsedFile struct {
	docs     []strictyaml.Node
	problems problem.List
}

func parseFile(f File) parsedFile {
	docs, problems := strictyaml.Parse(f.Name, f.Data, MaxFileBytes)
	return parsedFile{docs, problems}
}

func (l *loader) file(f parsedFile) {
	l.problems = append(l.problems, f.problems...)
	for _, doc := range f.docs {
		if !doc.IsList() {
			l.document(doc)
		}
		for _, item := range doc.Items() {
			l.document(item)
		}
	}
}

// document sorts one document by its kind.
func (l *loader) document(n strictyaml.Node) {
	if !n.IsMapping() {
		l.add(n.Wrong("a document with apiVersion, kind, metadata and spec"))
		return
	}
	if !l.knownKind(n) {
		return
	}
	switch kind := n.At("kind").Text(); kind {
	case kindSLO, kindGoldenSignals, kindCompositeSLO, kindBudgetPolicy:
		l.later = append(l.later, n) // they refer to the others, which may come after them
	case kindSLI:
		l.sli(n)
	case kindBusinessCalendar:
		l.business(n)
	case kindService:
		l.other(n)
	default:
		l.other(n)
		if kind == kindDataSource {
			l.sources[n.At("metadata.name").Text()] = n.At("spec.type").Text()
		}
		l.warn(n.Problem(problem.Problem{Path: "kind", Message: "is read but not used yet", Got: kind}))
	}
}

func (l *loader) knownKind(n strictyaml.Node) bool {
	version, kind := n.At("apiVersion"), n.At("kind")
	kinds := openSLOKinds()
	switch version.Text() {
	case openSLO:
	case ours:
		kinds = ourKinds()
	default:
		l.add(version.Wrong(openSLO + " or " + ours))
		return false
	}
	if !slices.Contains(kinds, kind.Text()) {
		p := kind.Wrong(strings.Join(kinds, ", "))
		p.Message += strings.TrimPrefix(strictyaml.DidYouMean(kind.Text(), kinds), ", ")
		l.add(p)
		return false
	}
	return true
}

// other reads a document of which nothing but its metadata matters.
func (l *loader) other(n strictyaml.Node) {
	var doc struct {
		Header header          `yaml:",inline"`
		Spec   strictyaml.Node `yaml:"spec"`
	}
	l.problems = append(l.problems, n.Decode(&doc)...)
	l.name(n.At("metadata.name"))
}

var (
	dnsLabel   = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	notInLabel = regexp.MustCompile(`[^a-z0-9]+`)
)

const (
	maxName     = 63
	nameAllowed = "lower-case letters, digits and dashes, at most 63"
)

// name checks a name and returns it as a DNS label, or "" when it cannot be one.
func (l *loader) name(n strictyaml.Node) string {
	text := n.Text()
	if dnsLabel.MatchString(text) && len(text) <= maxName {
		return text
	}
	label := slug(text)
	p := n.Wrong(nameAllowed)
	if label == "" || len(label) > maxName {
		l.add(p)
		return ""
	}
	p.Message = fmt.Sprintf("is read as %s", label)
	l.lenient(p)
	return label
}

// slug makes a DNS label of any text: "Main page (EU)" becomes main-page-eu.
func slug(text string) string {
	return strings.Trim(notInLabel.ReplaceAllString(strings.ToLower(text), "-"), "-")
}
