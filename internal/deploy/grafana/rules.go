package grafana

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"github.com/assayer-io/assayer/internal/deploy"
)

// stamp is an annotation of a group's first rule: the hash of the group as it was applied. Grafana keeps annotations
// whose names begin and end so out of notifications.
const stamp = "__assayer_applied__"

// ruleGroup is a rule group as the provisioning API takes and gives it.
type ruleGroup struct {
	Title     string           `json:"title"`
	FolderUID string           `json:"folderUid"`
	Interval  int64            `json:"interval"` // seconds
	Rules     []map[string]any `json:"rules"`
}

// provisioningFile is what Grafana loads alert rules from.
type provisioningFile struct {
	APIVersion int `yaml:"apiVersion"`
	Groups     []struct {
		OrgID    int64            `yaml:"orgId"`
		Name     string           `yaml:"name"`
		Folder   string           `yaml:"folder"`
		Interval model.Duration   `yaml:"interval"`
		Rules    []map[string]any `yaml:"rules"`
	} `yaml:"groups"`
}

// wantedGroups turns a provisioning file into what the API takes. The folder is ours, whatever the file says.
func (t *Target) wantedGroups(data []byte) ([]deploy.Object, error) {
	var file provisioningFile
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&file); err != nil {
		return nil, err
	}
	var out []deploy.Object
	for _, g := range file.Groups {
		if slug(g.Folder) == "" || g.Name == "" || len(g.Rules) == 0 || time.Duration(g.Interval) < time.Second {
			return nil, fmt.Errorf("group %q: it needs a name, a folder, an interval and rules", g.Name)
		}
		group := ruleGroup{Title: g.Name, FolderUID: t.folder, Interval: int64(time.Duration(g.Interval) / time.Second)}
		for _, r := range g.Rules {
			rule, err := t.apiRule(r, group)
			if err != nil {
				return nil, fmt.Errorf("group %q: %w", g.Name, err)
			}
			group.Rules = append(group.Rules, rule)
		}
		text, err := groupText(group)
		if err != nil {
			return nil, err
		}
		annotations(group.Rules[0])[stamp] = deploy.Sum(text)[:sumLength]
		out = append(out, deploy.Object{Kind: KindRuleGroup, Name: group.FolderUID + "/" + g.Name, Text: text, Data: group})
	}
	return out, nil
}

// apiRule is a provisioning file's rule in the API's form.
func (t *Target) apiRule(r map[string]any, g ruleGroup) (map[string]any, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	var rule map[string]any
	if err := decode(data, &rule); err != nil {
		return nil, err
	}
	uid, _ := rule["uid"].(string)
	if !strings.HasPrefix(uid, uidPrefix) || len(uid) > maxUID {
		return nil, fmt.Errorf("rule uid %q, allowed: %s… with at most %d characters", uid, uidPrefix, maxUID)
	}
	// Another agent has rules of the same names in its folder, and a UID is there once.
	rule["uid"] = uidPrefix + deploy.Sum([]byte(g.FolderUID + "/" + uid))[:sumLength]
	// The API has these among the annotations.
	for _, link := range []struct{ key, annotation string }{{"dashboardUid", "__dashboardUid__"}, {"panelId", "__panelId__"}} {
		if v, ok := rule[link.key]; ok {
			annotations(rule)[link.annotation] = fmt.Sprint(v)
			delete(rule, link.key)
		}
	}
	if v, ok := rule["keepFiringFor"]; ok { // the API spells it in its own way
		rule["keep_firing_for"] = v
		delete(rule, "keepFiringFor")
	}
	rule["folderUID"], rule["ruleGroup"], rule["orgID"] = g.FolderUID, g.Title, max(1, t.cfg.OrgID)
	return rule, nil
}

// annotations gives a rule's, made if there are none.
func annotations(rule map[string]any) map[string]any {
	a, ok := rule["annotations"].(map[string]any)
	if !ok {
		a = map[string]any{}
		rule["annotations"] = a
	}
	return a
}

// groupText is what of a group is compared: without what Grafana counts or fills in, durations in one spelling.
func groupText(g ruleGroup) ([]byte, error) {
	rules := make([]any, len(g.Rules))
	// A list of all rules has them in no order that is documented, and Grafana evaluates each by itself.
	for i, r := range slices.SortedStableFunc(slices.Values(g.Rules), func(a, b map[string]any) int {
		return strings.Compare(fmt.Sprint(a["uid"]), fmt.Sprint(b["uid"]))
	}) {
		r = maps.Clone(r)
		for _, own := range []string{"id", "orgID", "updated", "provenance", "folderUID", "ruleGroup"} {
			delete(r, own)
		}
		a := maps.Clone(annotations(r))
		delete(a, stamp)
		r["annotations"] = a
		for _, key := range []string{"for", "keep_firing_for"} {
			if text, ok := r[key].(string); ok {
				if r[key] = deploy.Span(text); r[key] == "0s" {
					delete(r, key)
				}
			}
		}
		if queries, ok := r["data"].([]any); ok {
			r["data"] = withoutDefaults(queries)
		}
		rules[i] = withoutZeros(r)
	}
	return canonical(map[string]any{"interval_seconds": g.Interval, "rules": rules})
}

// withoutDefaults takes out of queries what Grafana fills in.
func withoutDefaults(queries []any) []any {
	out := make([]any, len(queries))
	for i, q := range queries {
		out[i] = q
		query, ok := q.(map[string]any)
		if !ok {
			continue
		}
		query = maps.Clone(query)
		if m, ok := query["model"].(map[string]any); ok {
			m = maps.Clone(m)
			ref, _ := query["refId"].(string)
			for key, usual := range map[string]any{"intervalMs": json.Number("1000"), "maxDataPoints": json.Number("43200"), "refId": ref} {
				if m[key] == usual {
					delete(m, key)
				}
			}
			query["model"] = m
		}
		out[i] = query
	}
	return out
}

// withoutZeros drops fields that say nothing: Grafana leaves them out or fills them in.
func withoutZeros(v any) any {
	switch x := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range x {
			if e = withoutZeros(e); !empty(e) {
				out[k] = e
			}
		}
		return out
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = withoutZeros(e)
		}
		return out
	}
	return v
}

func empty(v any) bool {
	switch x := v.(type) {
	case nil:
		return true
	case string:
		return x == ""
	case bool:
		return !x
	case json.Number:
		return x == "0"
	case map[string]any:
		return len(x) == 0
	case []any:
		return len(x) == 0
	}
	return false
}

// groups reads ours and those that are wanted: all that is in our folder.
func (t *Target) groups(ctx context.Context, wanted []deploy.Object) ([]deploy.Found, error) {
	data, err := t.client.Do(ctx, deploy.Call{Method: http.MethodGet, Path: []string{"api", "v1", "provisioning", "alert-rules"}})
	none := !slices.ContainsFunc(wanted, func(w deploy.Object) bool { return w.Kind == KindRuleGroup })
	if none && deploy.HasStatus(err, http.StatusForbidden, http.StatusNotFound) {
		return nil, nil // whoever may not see rules, and wants none, has none
	}
	if err != nil {
		return nil, fmt.Errorf("listing alert rules: %w", err)
	}
	var rules []map[string]any
	if err := decode(data, &rules); err != nil {
		return nil, fmt.Errorf("listing alert rules: the answer is not Grafana's: %w", err)
	}
	groups := map[string]*ruleGroup{}
	for _, r := range rules {
		title, _ := r["ruleGroup"].(string)
		if r["folderUID"] != t.folder {
			continue
		}
		if groups[title] == nil {
			groups[title] = &ruleGroup{Title: title, FolderUID: t.folder}
		}
		groups[title].Rules = append(groups[title].Rules, r)
	}
	if len(groups) == 0 {
		return nil, nil
	}
	if err := t.intervals(ctx, groups); err != nil {
		return nil, fmt.Errorf("reading intervals of rule groups: %w", err)
	}
	var out []deploy.Found
	for _, title := range slices.Sorted(maps.Keys(groups)) {
		f, err := foundGroup(*groups[title])
		if err != nil {
			return nil, fmt.Errorf("reading rule group %s: %w", title, err)
		}
		out = append(out, *f)
	}
	return out, nil
}

// intervals fills in how often groups are evaluated, which the list of rules does not say.
func (t *Target) intervals(ctx context.Context, groups map[string]*ruleGroup) error {
	data, err := t.client.Do(ctx, deploy.Call{
		Method: http.MethodGet, Path: []string{"api", "v1", "provisioning", "alert-rules", "export"}, Query: url.Values{"folderUid": {t.folder}, "format": {"json"}},
	})
	if err != nil {
		return err
	}
	var export struct {
		Groups []struct {
			Name     string         `json:"name"`
			Interval model.Duration `json:"interval"`
		} `json:"groups"`
	}
	if err := json.Unmarshal(data, &export); err != nil {
		return fmt.Errorf("the answer is not Grafana's: %w", err)
	}
	for _, g := range export.Groups {
		if have := groups[g.Name]; have != nil {
			have.Interval = int64(time.Duration(g.Interval) / time.Second)
		}
	}
	return nil
}

// group reads one; nil: there is none.
func (t *Target) group(ctx context.Context, folder, title string) (*deploy.Found, error) {
	var raw json.RawMessage
	there, err := t.get(ctx, &raw, groupPath(folder, title)...)
	if err != nil || !there {
		return nil, err
	}
	var g ruleGroup
	if err := decode(raw, &g); err != nil {
		return nil, fmt.Errorf("the answer is not Grafana's: %w", err)
	}
	if len(g.Rules) == 0 {
		return nil, nil
	}
	if slices.ContainsFunc(g.Rules, func(r map[string]any) bool { return r == nil }) {
		return nil, errors.New("the answer is not Grafana's: a rule is null")
	}
	g.FolderUID, g.Title = folder, title
	return foundGroup(g)
}

// foundGroup says what of a group that is there counts. Its version is its content: rules in a list and in their group are
// told with the same fields, and what is the same needs no keeping.
func foundGroup(g ruleGroup) (*deploy.Found, error) {
	text, err := groupText(g)
	if err != nil {
		return nil, err
	}
	sum := deploy.Sum(text)
	f := &deploy.Found{Object: deploy.Object{Kind: KindRuleGroup, Name: g.FolderUID + "/" + g.Title, Text: text, Data: g}, Ours: true, Version: sum}
	if !slices.ContainsFunc(g.Rules, func(r map[string]any) bool { return annotations(r)[stamp] == sum[:sumLength] }) {
		updated := slices.MaxFunc(g.Rules, func(a, b map[string]any) int {
			return strings.Compare(fmt.Sprint(a["updated"]), fmt.Sprint(b["updated"]))
		})
		f.Edited = fmt.Sprintf("by somebody at %v, since it was last applied", updated["updated"])
	}
	for _, r := range g.Rules {
		uid, _ := r["uid"].(string)
		switch {
		case r["provenance"] == "file":
			f.Ours, f.Foreign = false, provisioned
		case !strings.HasPrefix(uid, uidPrefix):
			f.Ours, f.Foreign = false, fmt.Sprintf("it holds the rule %v, which is not ours; move that rule into a group of its own", r["title"])
		}
	}
	return f, nil
}

func groupPath(folder, title string) []string {
	return []string{"api", "v1", "provisioning", "folder", folder, "rule-groups", title}
}

// changeGroup writes or deletes a group that is still as the plan saw it.
func (t *Target) changeGroup(ctx context.Context, step deploy.Step) error {
	folder, title, _ := strings.Cut(step.Name, "/")
	now, err := t.group(ctx, folder, title)
	if err != nil {
		return err
	}
	switch {
	case now == nil && step.Op == deploy.Delete:
		return nil
	case (now == nil) != (step.Was == nil), now != nil && (!now.Ours || now.Version != step.Was.Version):
		return deploy.ErrChanged
	case step.Op == deploy.Delete:
		return t.deleteRules(ctx, now)
	}
	_, err = t.client.Do(ctx, deploy.Call{Method: http.MethodPut, Path: groupPath(folder, title), Header: t.provenance(), Body: step.Want.Data})
	if deploy.HasStatus(err, http.StatusConflict) {
		return fmt.Errorf("%w; rules that were applied while the setting editable was another cannot be changed, only deleted: set it back, or delete them in Grafana", err)
	}
	return err
}

// provenance says whether people may edit rules on Grafana's pages.
func (t *Target) provenance() http.Header {
	if !t.cfg.Editable {
		return nil
	}
	return http.Header{"X-Disable-Provenance": {"true"}}
}

// deleteRules deletes a group rule by rule, as every version of Grafana can. What an interrupted one leaves is deleted by
// the next.
func (t *Target) deleteRules(ctx context.Context, f *deploy.Found) error {
	g, ok := f.Data.(ruleGroup)
	if !ok {
		return errors.New("the plan is none of Grafana's")
	}
	for _, r := range g.Rules {
		uid, _ := r["uid"].(string)
		header := http.Header{}
		if p, _ := r["provenance"].(string); p == "" {
			header.Set("X-Disable-Provenance", "true")
		}
		_, err := t.client.Do(ctx, deploy.Call{Method: http.MethodDelete, Path: []string{"api", "v1", "provisioning", "alert-rules", uid}, Header: header})
		if err != nil && !deploy.HasStatus(err, http.StatusNotFound) {
			return err
		}
	}
	return nil
}
