package prometheus

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/discovery/targetgroup"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"github.com/assayer-io/assayer/collector"
)

// target is one endpoint after relabelling.
type target struct {
	id       collector.Target
	public   labels.Labels // what its series carry; no label begins with __
	url      string
	address  string
	interval time.Duration
	timeout  time.Duration
}

// newTarget makes a target of what discovery found, the way Prometheus does. keep is false when
// relabelling drops it.
func (p *pool) newTarget(found, group model.LabelSet) (t target, keep bool, err error) {
	lb := labels.NewBuilder(labels.EmptyLabels())
	p.discovered(lb, found, group)
	if !relabel.ProcessBuilder(lb, p.cfg.RelabelConfigs...) {
		return target{}, false, nil
	}
	t.address = lb.Get(model.AddressLabel)
	if err := checkAddress(t.address); err != nil {
		return target{}, false, fmt.Errorf("address %q: %w", t.address, err)
	}
	if t.interval, t.timeout, err = schedule(lb); err != nil {
		return target{}, false, err
	}
	if lb.Get(model.InstanceLabel) == "" {
		lb.Set(model.InstanceLabel, t.address)
	}
	t.url = targetURL(lb, p.cfg.Params)
	lb.Range(func(l labels.Label) {
		if strings.HasPrefix(l.Name, model.ReservedLabelPrefix) {
			lb.Del(l.Name)
		} else if !model.LabelValue(l.Value).IsValid() {
			err = fmt.Errorf("label %s has the value %q, which is not UTF-8", l.Name, l.Value)
		}
	})
	t.public = lb.Labels()
	t.id = identity(t.public, t.url)
	return t, err == nil, err
}

// discovered sets the labels a target has before relabelling: its own, then its group's, then
// those of the scrape config.
func (p *pool) discovered(lb *labels.Builder, found, group model.LabelSet) {
	for name, value := range group {
		lb.Set(string(name), string(value))
	}
	for name, value := range found {
		lb.Set(string(name), string(value))
	}
	setDefault := func(name, value string) {
		if lb.Get(name) == "" {
			lb.Set(name, value)
		}
	}
	setDefault(model.JobLabel, p.cfg.JobName)
	setDefault(model.ScrapeIntervalLabel, model.Duration(p.interval).String())
	setDefault(model.ScrapeTimeoutLabel, model.Duration(p.timeout).String())
	setDefault(model.MetricsPathLabel, p.cfg.MetricsPath)
	setDefault(model.SchemeLabel, p.cfg.Scheme)
	for name, values := range p.cfg.Params {
		if len(values) > 0 {
			setDefault(model.ParamLabelPrefix+name, values[0])
		}
	}
}

// schedule reads the labels that relabelling may have changed.
func schedule(lb *labels.Builder) (interval, timeout time.Duration, err error) {
	i, err := model.ParseDuration(lb.Get(model.ScrapeIntervalLabel))
	if err != nil || i == 0 {
		return 0, 0, fmt.Errorf("label %s is %q, not a positive duration", model.ScrapeIntervalLabel, lb.Get(model.ScrapeIntervalLabel))
	}
	t, err := model.ParseDuration(lb.Get(model.ScrapeTimeoutLabel))
	if err != nil || t == 0 {
		return 0, 0, fmt.Errorf("label %s is %q, not a positive duration", model.ScrapeTimeoutLabel, lb.Get(model.ScrapeTimeoutLabel))
	}
	if t > i {
		return 0, 0, fmt.Errorf("timeout %s is longer than the interval %s", t, i)
	}
	return time.Duration(i), time.Duration(t), nil
}

func targetURL(lb *labels.Builder, params url.Values) string {
	query := url.Values{}
	for name, values := range params {
		query[name] = append([]string(nil), values...)
	}
	lb.Range(func(l labels.Label) {
		name, ok := strings.CutPrefix(l.Name, model.ParamLabelPrefix)
		switch {
		case !ok:
		case len(query[name]) > 0:
			query[name][0] = l.Value
		default:
			query[name] = []string{l.Value}
		}
	})
	u := url.URL{Scheme: lb.Get(model.SchemeLabel), Host: lb.Get(model.AddressLabel), Path: lb.Get(model.MetricsPathLabel), RawQuery: query.Encode()}
	return u.String()
}

// identity names a target by its job and instance, told apart from others of the same name by a
// hash over all that its series carry and where it is. It depends on nothing else, so that a
// restart of the agent or of the target does not change it.
func identity(public labels.Labels, url string) collector.Target {
	h := xxhash.New()
	public.Range(func(l labels.Label) {
		_, _ = h.WriteString(l.Name + "\xff" + l.Value + "\xff") // never fails
	})
	_, _ = h.WriteString(url)
	return collector.Target(fmt.Sprintf("%s/%s/%016x", public.Get(model.JobLabel), public.Get(model.InstanceLabel), h.Sum64()))
}

// targets makes the targets of all groups of a pool, each once, and joins what was wrong with
// those that cannot be scraped.
func (p *pool) targets(groups []*targetgroup.Group) ([]target, error) {
	var out []target
	var errs []error
	seen := map[collector.Target]bool{}
	for _, g := range groups {
		for _, found := range g.Targets {
			t, keep, err := p.newTarget(found, g.Labels)
			if err != nil && len(errs) < maxTargetErrors {
				errs = append(errs, err)
			}
			if keep && !seen[t.id] {
				seen[t.id] = true
				out = append(out, t)
			}
		}
	}
	return out, errors.Join(errs...)
}

// maxTargetErrors bounds how many broken targets one message names.
const maxTargetErrors = 5
