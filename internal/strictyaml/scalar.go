package strictyaml

import (
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/internal/problem"
)

// DurationAllowed says how a duration is spelled.
const DurationAllowed = "a duration such as 15s, 5m or 30d"

const ratioAllowed = "a ratio from 0 to 1 such as 0.999, or a percentage such as 99.9%"

func (d *decoder) scalar(n Node, out reflect.Value) {
	isScalar := n.Exists() && n.yaml.Kind == yaml.ScalarNode
	var tag, text string
	if isScalar {
		tag, text = n.yaml.ShortTag(), n.yaml.Value
	}
	switch out.Kind() {
	case reflect.String:
		if !isScalar || !slices.Contains([]string{"!!str", "!!int", "!!float", "!!bool", "!!timestamp"}, tag) {
			d.wrong(n, "text")
			return
		}
		out.SetString(text)
	case reflect.Bool:
		b, ok := boolean(text)
		if !isScalar || !ok || n.yaml.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
			d.wrong(n, "true or false")
			return
		}
		out.SetBool(b)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		var i int64
		if tag != "!!int" || n.yaml.Decode(&i) != nil || out.OverflowInt(i) {
			d.wrong(n, "a whole number")
			return
		}
		out.SetInt(i)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		var u uint64
		if tag != "!!int" || n.yaml.Decode(&u) != nil || out.OverflowUint(u) {
			limit := uint64(math.MaxUint64) >> (64 - out.Type().Bits())
			d.wrong(n, "a whole number from 0 to "+strconv.FormatUint(limit, 10))
			return
		}
		out.SetUint(u)
	case reflect.Float32, reflect.Float64:
		var f float64
		if (tag != "!!int" && tag != "!!float") || n.yaml.Decode(&f) != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			d.wrong(n, "a number")
			return
		}
		out.SetFloat(f)
	default:
		d.wrong(n, "nothing: this field is not read from files")
	}
}

// boolean knows the spellings of YAML 1.1 too, since Prometheus' own sections use them.
func boolean(text string) (value, ok bool) {
	switch strings.ToLower(text) {
	case "true", "yes", "on":
		return true, true
	case "false", "no", "off":
		return false, true
	}
	return false, false
}

func (d *decoder) duration(n Node) (time.Duration, bool) {
	v, err := model.ParseDuration(n.Text())
	if err != nil {
		d.wrong(n, DurationAllowed)
	}
	return time.Duration(v), err == nil
}

// Ratio is a ratio from 0 to 1. It may be written as a percentage.
type Ratio float64

// UnmarshalNode reads 0.999 as well as 99.9%.
func (r *Ratio) UnmarshalNode(n Node) problem.List {
	v, ok := ParseRatio(n.Text())
	if !ok {
		return problem.List{n.Wrong(ratioAllowed)}
	}
	if v < 0 || v > 1 {
		p := n.Wrong(ratioAllowed)
		if n.IsNumber() && v > 1 && v <= 100 {
			p.Message = "did you mean " + n.Text() + "%?"
		}
		return problem.List{p}
	}
	*r = Ratio(v)
	return nil
}

// ParseRatio reads a plain decimal number, or a percentage as a ratio. It moves the decimal point
// rather than divide, so that 99.95% is the same number as 0.9995.
func ParseRatio(text string) (float64, bool) {
	number, percent := strings.CutSuffix(strings.TrimSpace(text), "%")
	number = strings.TrimSpace(number)
	if number == "" || strings.Trim(number, "+-.0123456789") != "" {
		return 0, false
	}
	if percent {
		number += "e-2"
	}
	v, err := strconv.ParseFloat(number, 64)
	return v, err == nil
}
