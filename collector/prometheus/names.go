package prometheus

import (
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/assayer-io/assayer/collector"
)

// use says what a name that stands in an exposition is good for.
type use uint8

const (
	useSample use = 1 << iota // lines of this name are wanted
	useFamily                 // metadata of this name is needed to read wanted lines
)

// interest is what is wanted, made ready for scanning. It is immutable.
type interest struct {
	collector.Interest
	// uses tells what to do with a name; nil means every line is read.
	uses map[string]use
}

// newInterest adds to the wanted names those that say more about them: the families they belong
// to and the _created series with their start timestamps.
func newInterest(in collector.Interest) *interest {
	out := &interest{Interest: in}
	if in.AllNames {
		return out
	}
	out.uses = make(map[string]use, 3*len(in.Names))
	for name := range in.Names {
		out.uses[name] |= useSample | useFamily
		family := name
		for _, suffix := range []string{"_total", "_bucket", "_sum", "_count", "_created"} {
			if base, ok := strings.CutSuffix(name, suffix); ok && base != "" {
				family = base
				out.uses[family] |= useFamily
				break
			}
		}
		out.uses[family+createdSuffix] |= useSample
		if family != name { // x_total may also be a family's whole name
			out.uses[name+createdSuffix] |= useSample
		}
	}
	return out
}

const createdSuffix = "_created"

// wants reports whether a series of this name can match at all.
func (in *interest) wants(name string) bool {
	if in.AllNames {
		return true
	}
	_, ok := in.Names[name]
	return ok
}

// renames reports whether rules can give a series a name it does not have in the exposition, so
// that names say nothing before the rules have run.
func renames(rules []*relabel.Config) bool {
	for _, r := range rules {
		switch r.Action {
		case relabel.Replace, relabel.HashMod, relabel.Lowercase, relabel.Uppercase:
			if r.TargetLabel == model.MetricNameLabel || strings.Contains(r.TargetLabel, "$") {
				return true
			}
		case relabel.LabelMap:
			if r.Replacement == model.MetricNameLabel || strings.Contains(r.Replacement, "$") {
				return true
			}
		}
	}
	return false
}
