package convert

import (
	"bytes"
	"fmt"
	"math/big"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

const (
	openSLO = "openslo/v1"
	// importPrefix is of annotations that keep what a document says and ours have no place for.
	importPrefix = "import.assayer.dev/"
	groupByKey   = "assayer.dev/group-by"
)

// Document is one OpenSLO v1 document as it is written.
type Document struct {
	APIVersion string   `yaml:"apiVersion"`
	Kind       string   `yaml:"kind"`
	Metadata   Metadata `yaml:"metadata"`
	Spec       any      `yaml:"spec"`
}

// Metadata of a document or of an inline indicator. The values of labels are texts or lists of texts.
type Metadata struct {
	Name        string            `yaml:"name,omitempty"`
	DisplayName string            `yaml:"displayName,omitempty"`
	Labels      map[string]any    `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

// SLO is the spec of an SLO document.
type SLO struct {
	Description     string      `yaml:"description,omitempty"`
	Service         string      `yaml:"service"`
	Indicator       *Inline     `yaml:"indicator,omitempty"`
	IndicatorRef    string      `yaml:"indicatorRef,omitempty"`
	BudgetingMethod string      `yaml:"budgetingMethod"`
	TimeWindow      []Window    `yaml:"timeWindow"`
	Objectives      []Objective `yaml:"objectives"`
	AlertPolicies   any         `yaml:"alertPolicies,omitempty"`
}

// Inline is an indicator inside an SLO.
type Inline struct {
	Metadata Metadata `yaml:"metadata"`
	Spec     SLI      `yaml:"spec"`
}

// Window is an entry of timeWindow.
type Window struct {
	Duration  string    `yaml:"duration"`
	IsRolling bool      `yaml:"isRolling"`
	Calendar  *Calendar `yaml:"calendar,omitempty"`
}

// Calendar is where a window that does not roll begins.
type Calendar struct {
	StartTime string `yaml:"startTime"`
	TimeZone  string `yaml:"timeZone"`
}

// Objective is an entry of objectives.
type Objective struct {
	DisplayName     string  `yaml:"displayName,omitempty"`
	Op              string  `yaml:"op,omitempty"`
	Value           Number  `yaml:"value,omitempty"`
	Target          Number  `yaml:"target,omitempty"`
	TargetPercent   Number  `yaml:"targetPercent,omitempty"`
	TimeSliceTarget Number  `yaml:"timeSliceTarget,omitempty"`
	TimeSliceWindow string  `yaml:"timeSliceWindow,omitempty"`
	Indicator       *Inline `yaml:"indicator,omitempty"`
	IndicatorRef    string  `yaml:"indicatorRef,omitempty"`
	CompositeWeight Number  `yaml:"compositeWeight,omitempty"`
}

// Number is a number as it is spelled, so that no digit changes.
type Number string

// MarshalYAML writes the digits without quotes.
func (n Number) MarshalYAML() (any, error) {
	tag := "!!float"
	if strings.Trim(string(n), "0123456789") == "" {
		tag = "!!int"
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: string(n)}, nil
}

// maxDigits bounds how long a number may be.
const maxDigits = 40

// PercentToRatio divides by a hundred without rounding: 99.9 becomes 0.999. It is false unless text is a
// number from 0 to 100.
func PercentToRatio(text string) (Number, bool) {
	return ratio(text, big.NewRat(1, 100))
}

// Ratio is text as a plain decimal number. It is false unless text is a number from 0 to 1.
func Ratio(text string) (Number, bool) { return ratio(text, big.NewRat(1, 1)) }

func ratio(text string, unit *big.Rat) (Number, bool) {
	if len(text) > maxDigits || strings.ContainsAny(text, "/_xXoObBpPeE") {
		return "", false
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok || r.Sign() < 0 {
		return "", false
	}
	r.Mul(r, unit)
	digits, exact := r.FloatPrec()
	if !exact || r.Cmp(big.NewRat(1, 1)) > 0 {
		return "", false
	}
	return Number(r.FloatString(digits)), true
}

// encode writes a document below lines of comment.
func encode(d Document, comments []string) ([]byte, error) {
	var out bytes.Buffer
	for _, line := range comments {
		fmt.Fprintf(&out, "# %s\n", oneLine(line))
	}
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(d); err != nil {
		return nil, fmt.Errorf("writing %s %s: %w", d.Kind, d.Metadata.Name, err)
	}
	return out.Bytes(), enc.Close()
}

// oneLine keeps what was read from ending a comment.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == unicode.ReplacementChar || r == '\ufeff' {
			return ' '
		}
		return r
	}, s)
}
