package web

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/slo"
	"github.com/assayer-io/assayer/slo/burnrate"
)

// detailView is the page of one objective.
type detailView struct {
	live
	row
	Windows  []choice // over which the burn rate is drawn
	Ranges   []choice // how far back the charts go
	Burn     []chart  // the same chart for wide and for narrow screens
	Left     []chart
	Marks    []mark
	History  string // the same numbers as JSON
	Policies *policiesView
	Actions  *actionsView
	Changes  *changesView
	Excluded []exclusionRow
}

type choice struct {
	Text, URL string
	Current   bool
}

const detailPoints = 240

func objectiveURL(name string) string { return "/slo/" + url.PathEscape(name) }

func (s *Server) serveDetail(w http.ResponseWriter, r *http.Request) {
	if v, ok := s.detail(r); ok {
		s.render(w, http.StatusOK, "page", shell{Main: v, Name: "detail"})
		return
	}
	s.serveMissing(w, "There is no such objective", "It may have been renamed or taken out of the agent's files.")
}

func (s *Server) serveDetailFragment(w http.ResponseWriter, r *http.Request) {
	v, ok := s.detail(r)
	if !ok {
		s.render(w, http.StatusNotFound, "missing", missingView{"There is no such objective", "It may have been renamed or taken out of the agent's files."})
		return
	}
	s.render(w, http.StatusOK, "detail", v)
}

func (s *Server) detail(r *http.Request) (detailView, bool) {
	st, ok := s.find(r.PathValue("name"))
	if !ok {
		return detailView{}, false
	}
	now := s.deps.Now()
	v := detailView{row: s.row(st, now)}
	base := objectiveURL(st.Name)
	window, length := r.FormValue("window"), r.FormValue("range")
	if _, ok := st.BurnRates.Get(window); !ok {
		window = defaultWindow(st)
	}
	ranges := chartRanges(st)
	if !slices.ContainsFunc(ranges, func(d time.Duration) bool { return burnrate.Text(d) == length }) {
		length = burnrate.Text(ranges[min(1, len(ranges)-1)])
	}
	at := func(window, length string) string {
		return "?" + url.Values{"window": {window}, "range": {length}}.Encode()
	}
	for _, w := range windows(st) {
		v.Windows = append(v.Windows, choice{w, base + at(w, length), w == window})
	}
	var back time.Duration
	for _, d := range ranges {
		text := burnrate.Text(d)
		if text == length {
			back = d
		}
		v.Ranges = append(v.Ranges, choice{text, base + at(window, text), text == length})
	}
	from := now.Add(-back)
	v.History = "/api/v1/slos/" + url.PathEscape(st.Name) + "/history?" + url.Values{"window": {window}, "from": {stamp(from)}, "to": {stamp(now)}}.Encode()
	v.Policies = s.policiesView(st.Name)
	v.Actions = s.actionsView(r, st.Name)
	v.Changes = s.changesView(st.Service)
	v.Excluded = s.exclusionsView(st, now)
	if st.Parent == "" {
		statuses := slices.DeleteFunc(slices.Clone(s.deps.Objectives.Statuses()), func(g slo.Status) bool { return g.Parent != st.Name })
		slices.SortStableFunc(statuses, worstFirst)
		v.Groups = groupsOf(st.Name, statuses, now)
	}
	v.Marks = s.marks(v, from, now)
	s.draw(&v, window, from, now)
	v.live = live{base + "/fragment" + at(window, length), s.deps.Refresh.Milliseconds(),
		fmt.Sprintf("%s is %s · Assayer", st.Name, st.State), now}
	return v, true
}

// chartRanges are the spans that make sense for the objective's window, shortest first.
func chartRanges(st slo.Status) []time.Duration {
	const day = 24 * time.Hour
	out := []time.Duration{time.Hour}
	if r := recent(st); r < time.Hour {
		out = []time.Duration{r, time.Hour}
	}
	for _, d := range []time.Duration{6 * time.Hour, day, 3 * day, 7 * day, 30 * day, 90 * day} {
		if d <= st.WindowSize {
			out = append(out, d)
		}
	}
	return out
}

// marks are what happened to the service within the charts' span, oldest first.
func (s *Server) marks(v detailView, from, to time.Time) []mark {
	var out []mark
	within := func(at time.Time) bool { return at.After(from) && !at.After(to) }
	if v.Changes != nil {
		for _, c := range v.Changes.List {
			if within(c.At) {
				out = append(out, mark{At: c.At, Kind: "change", Text: changeText(c)})
			}
		}
	}
	if v.Actions != nil {
		for _, a := range v.Actions.List {
			if within(a.CreatedAt) {
				out = append(out, mark{At: a.CreatedAt, Kind: "action", Text: fmt.Sprintf("action %s %s", a.Hook, a.Words)})
			}
		}
	}
	slices.SortFunc(out, func(a, b mark) int { return a.At.Compare(b.At) })
	return out
}

func changeText(c hooks.Change) string {
	text := c.Kind + " " + c.Revision
	if c.Author != "" {
		text += " by " + c.Author
	}
	return text
}

// draw reads the past once and draws it for wide and for narrow screens.
func (s *Server) draw(v *detailView, window string, from, to time.Time) {
	points, err := s.deps.Objectives.History(v.Name, window, from, to, detailPoints)
	if err != nil {
		s.deps.Log.Error("reading history", "slo", v.Name, "err", err)
	}
	for _, size := range []frame{wideFrame(), narrowFrame()} {
		size.from, size.to = from, to
		v.Burn = append(v.Burn, burnChart(size, points, v.Status, window, v.Marks))
		v.Left = append(v.Left, budgetChart(size, points, v.Name, v.Marks))
	}
}
