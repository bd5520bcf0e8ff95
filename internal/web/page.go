package web

import (
	"bytes"
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/assayer-io/assayer/internal/health"
	"github.com/assayer-io/assayer/internal/hooks"
	"github.com/assayer-io/assayer/slo"
)

// Bounds of one page. Every row has a chart, so the page size also bounds the looks into the past.
const (
	pageSize    = 50
	maxRecent   = 10
	maxProblems = 50
	maxDown     = 50
	maxUp       = 200
)

// shell is what surrounds the live part of every page.
type shell struct {
	Home bool // the list, to whose sections the navigation leads
	Main any
	Name string // template of the live part
}

// live is what the live part of every page has.
type live struct {
	Fragment  string // where to ask for it again
	RefreshMs int64
	Title     string // of the document
	Now       time.Time
}

// listView is the page of all objectives.
type listView struct {
	live
	Verdict  verdict
	Counters []counter
	Filter   filter
	Rows     []row
	Matching int
	Total    int
	Pages    pages
	Policies *policiesView
	Actions  *actionsView
	Changes  *changesView
	Agent    agentView

	Settlement *settlementView
}

type counter struct {
	State   slo.State
	Count   int
	URL     string
	Current bool
}

type filter struct {
	Text  string
	State slo.State
}

type pages struct {
	From, To   int // of the objectives shown, counted from 1
	Prev, Next string
}

type actionsView struct {
	List    []actionRow
	More    int
	Waiting int // actions that wait for a person
	Hold    hooks.Condition
	User    string // who is logged in; "": the forms ask for a name
}

type actionRow struct {
	hooks.Action
	Words string
	Tone  string
	Open  bool // waits for a person
}

type changesView struct {
	List []hooks.Change
	More int
}

type agentView struct {
	Ready    bool
	Problems []health.Problem
	More     int // problems that are not listed
	Targets  bool
	Up, All  int
	Waiting  int // targets not looked at yet
	Down     []Target
	UpList   []Target
	Version  string
	Started  time.Time
	Uptime   string
	Metrics  bool
}

func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	s.render(w, http.StatusOK, "page", shell{Home: true, Main: s.list(r), Name: "list"})
}

func (s *Server) serveFragment(w http.ResponseWriter, r *http.Request) {
	s.render(w, http.StatusOK, "list", s.list(r))
}

type missingView struct{ Title, Advice string }

func (s *Server) serveMissing(w http.ResponseWriter, title, advice string) {
	s.render(w, http.StatusNotFound, "page", shell{Main: missingView{title, advice}, Name: "missing"})
}

// render writes the whole answer or an error, never half a page.
func (s *Server) render(w http.ResponseWriter, status int, name string, data any) {
	var b bytes.Buffer
	if err := s.page.ExecuteTemplate(&b, name, data); err != nil {
		s.deps.Log.Error("rendering the page", "template", name, "err", err)
		writeError(w, http.StatusInternalServerError, "the page could not be rendered; see the agent's log")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the client is gone if this fails
}

func (s *Server) list(r *http.Request) listView {
	now := s.deps.Now()
	statuses := slices.Clone(s.deps.Objectives.Statuses())
	slices.SortStableFunc(statuses, worstFirst)
	f := filter{Text: strings.TrimSpace(r.FormValue("q")), State: slo.State(r.FormValue("state"))}
	if !slices.Contains(slo.States(), f.State) {
		f.State = ""
	}
	v := listView{Total: len(statuses), Filter: f, Agent: s.agent(now)}
	v.Verdict = judge(statuses, now)
	v.Verdict.AgentProblems = len(v.Agent.Problems) + v.Agent.More
	v.Counters = counters(statuses, f)
	var matching []family
	for _, fam := range families(statuses) {
		if some, ok := f.of(fam); ok {
			matching = append(matching, some)
		}
	}
	v.Matching = len(matching)
	page, start, end := pageOf(r, len(matching))
	v.Pages = pages{From: start + 1, To: end}
	if page > 1 {
		v.Pages.Prev = f.url("/", page-1)
	}
	if end < len(matching) {
		v.Pages.Next = f.url("/", page+1)
	}
	for _, fam := range matching[start:end] {
		r := s.row(fam.whole, now)
		r.Groups = groupsOf(fam.whole.Name, fam.groups, now)
		v.Rows = append(v.Rows, r)
	}
	v.Policies = s.policiesView("")
	v.Settlement = s.settlementView(now)
	v.Actions = s.actionsView(r, "")
	v.Changes = s.changesView("")
	v.live = live{f.url("/fragment", page), s.deps.Refresh.Milliseconds(), v.Verdict.Title(), now}
	return v
}

// worstFirst orders by state, then by how little budget is left.
func worstFirst(a, b slo.Status) int {
	states := slo.States()
	return cmp.Or(cmp.Compare(slices.Index(states, a.State), slices.Index(states, b.State)),
		cmp.Compare(a.ErrorBudget.RemainingRatio, b.ErrorBudget.RemainingRatio), cmp.Compare(a.Name, b.Name))
}

func (f filter) matches(st slo.Status) bool {
	if f.State != "" && st.State != f.State {
		return false
	}
	text := strings.ToLower(f.Text)
	return strings.Contains(strings.ToLower(st.Name), text) || strings.Contains(strings.ToLower(st.Service), text) ||
		strings.Contains(strings.ToLower(st.DisplayName), text)
}

func (f filter) url(path string, page int) string {
	q := url.Values{}
	if f.Text != "" {
		q.Set("q", f.Text)
	}
	if f.State != "" {
		q.Set("state", string(f.State))
	}
	if page > 1 {
		q.Set("page", strconv.Itoa(page))
	}
	if len(q) == 0 {
		return path
	}
	return path + "?" + q.Encode()
}

// pageOf gives the page asked for, or the nearest there is, and the range of rows it shows.
func pageOf(r *http.Request, rows int) (page, start, end int) {
	page, err := strconv.Atoi(r.FormValue("page"))
	last := max(1, (rows+pageSize-1)/pageSize)
	if err != nil {
		page = 1
	}
	page = min(max(page, 1), last)
	start = (page - 1) * pageSize
	return page, start, min(start+pageSize, rows)
}

func counters(statuses []slo.Status, f filter) []counter {
	n := map[slo.State]int{}
	for _, st := range statuses {
		n[st.State]++
	}
	var out []counter
	for _, state := range slo.States() {
		c := counter{State: state, Count: n[state], Current: f.State == state}
		c.URL = filter{Text: f.Text, State: state}.url("/", 1)
		if c.Current {
			c.URL = filter{Text: f.Text}.url("/", 1)
		}
		out = append(out, c)
	}
	return out
}

// actionsView shows the newest actions, those that wait for a person before the others. A
// non-empty objective leaves out what concerns others.
func (s *Server) actionsView(r *http.Request, objective string) *actionsView {
	if s.deps.Actions == nil {
		return nil
	}
	v := &actionsView{Hold: s.deps.Actions.Condition()}
	if user, _, ok := r.BasicAuth(); ok {
		v.User = user
	}
	for _, a := range s.actions() {
		if objective != "" && a.Objective != objective {
			continue
		}
		row := actionRow{Action: a, Words: stateWords(a.State), Tone: stateTone(a.State), Open: a.State == hooks.WaitingApproval}
		if row.Open {
			v.Waiting++
		}
		v.List = append(v.List, row)
	}
	slices.SortStableFunc(v.List, func(a, b actionRow) int {
		if a.Open == b.Open {
			return 0
		}
		if a.Open {
			return -1
		}
		return 1
	})
	if len(v.List) > maxRecent {
		v.More = len(v.List) - maxRecent
		v.List = v.List[:maxRecent]
	}
	return v
}

// changesView shows the newest changes of one service, or of all when service is "".
func (s *Server) changesView(service string) *changesView {
	if s.deps.Changes == nil {
		return nil
	}
	v := &changesView{List: s.changes(service)}
	if len(v.List) > maxRecent {
		v.More = len(v.List) - maxRecent
		v.List = v.List[:maxRecent]
	}
	return v
}

func (s *Server) agent(now time.Time) agentView {
	v := agentView{
		Ready: s.deps.Health.Ready(), Problems: s.deps.Health.Problems(), Targets: s.deps.Targets != nil,
		Version: s.deps.Version, Started: s.started, Uptime: span(now.Sub(s.started)), Metrics: s.deps.Metrics != nil,
	}
	if len(v.Problems) > maxProblems {
		v.More = len(v.Problems) - maxProblems
		v.Problems = v.Problems[:maxProblems]
	}
	for _, t := range s.targets() {
		v.All++
		switch {
		case t.Up:
			v.Up++
			v.UpList = append(v.UpList, t)
		case t.LastLook.IsZero():
			v.Waiting++
		default:
			v.Down = append(v.Down, t)
		}
	}
	v.Down = v.Down[:min(len(v.Down), maxDown)]
	v.UpList = v.UpList[:min(len(v.UpList), maxUp)]
	return v
}

// stateWords says where an action stands, for people.
func stateWords(s hooks.State) string {
	switch s {
	case hooks.WaitingApproval:
		return "waiting for approval"
	case hooks.Denied:
		return "denied by the rules"
	case hooks.Observed:
		return "observed only"
	case hooks.Unverified:
		return "not verified"
	}
	return strings.ReplaceAll(string(s), "_", " ")
}

// stateTone picks the weight an action's state has on screen.
func stateTone(s hooks.State) string {
	switch s {
	case hooks.WaitingApproval, hooks.Recommended:
		return "ask"
	case hooks.Failed, hooks.Unverified:
		return "bad"
	case hooks.Verified:
		return "good"
	case hooks.Running, hooks.Verifying:
		return "busy"
	}
	return "calm"
}
