package fakegrafana

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/grafana/grafana-foundation-sdk/go/alerting"
	"github.com/prometheus/common/model"
)

func (g *Grafana) listRules(*http.Request, []byte) answer {
	all := []map[string]any{}
	for _, group := range g.Groups {
		all = append(all, group.Rules...)
	}
	return answer{http.StatusOK, all}
}

// exportRules gives the groups of one folder as a provisioning file. Their rules, which it has in another form, are left out.
func (g *Grafana) exportRules(r *http.Request, _ []byte) answer {
	if r.URL.Query().Get("format") != "json" || len(r.URL.Query()["folderUid"]) != 1 {
		g.t.Errorf("export of %s", r.URL.RawQuery)
	}
	groups := []map[string]any{}
	for key, group := range g.Groups {
		if key[0] == r.URL.Query().Get("folderUid") {
			groups = append(groups, map[string]any{"orgId": 1, "name": key[1], "folder": key[0], "interval": model.Duration(time.Duration(group.Interval) * time.Second).String()})
		}
	}
	if len(groups) == 0 {
		return said(http.StatusNotFound, "no rules found")
	}
	return answer{http.StatusOK, map[string]any{"apiVersion": 1, "groups": groups}}
}

func (g *Grafana) deleteRule(r *http.Request, _ []byte) answer {
	for key, group := range g.Groups {
		i := slices.IndexFunc(group.Rules, func(rule map[string]any) bool { return rule["uid"] == r.PathValue("uid") })
		if i < 0 {
			continue
		}
		if !mayChange(group.Rules[i]["provenance"], r) {
			return said(http.StatusConflict, "cannot delete with provided provenance")
		}
		if group.Rules = slices.Delete(group.Rules, i, i+1); len(group.Rules) == 0 {
			delete(g.Groups, key)
		}
		break
	}
	return answer{http.StatusNoContent, nil}
}

// mayChange: what has no provenance may get one; what has one keeps it.
func mayChange(stored any, r *http.Request) bool {
	asked := "api"
	if r.Header.Get("X-Disable-Provenance") != "" {
		asked = ""
	}
	return stored == nil || stored == "" || stored == asked
}

func (g *Grafana) getGroup(r *http.Request, _ []byte) answer {
	group := g.Groups[[2]string{r.PathValue("folder"), r.PathValue("group")}]
	if group == nil {
		return answer{http.StatusNotFound, map[string]any{}}
	}
	return answer{http.StatusOK, map[string]any{"title": r.PathValue("group"), "folderUid": r.PathValue("folder"), "interval": group.Interval, "rules": group.Rules}}
}

func (g *Grafana) putGroup(r *http.Request, body []byte) answer {
	folder, title := r.PathValue("folder"), r.PathValue("group")
	var raw map[string]any
	if err := unmarshal(body, &raw); err != nil {
		return said(http.StatusBadRequest, "bad request data")
	}
	if err := validGroup(raw, folder, title); err != nil {
		g.t.Errorf("rule group %s/%s is none of the SDK's: %v", folder, title, err)
		return said(http.StatusBadRequest, "invalid alert rule: %v", err)
	}
	if g.Folders[folder] == nil {
		return said(http.StatusNotFound, "folder does not exist")
	}
	key := [2]string{folder, title}
	if have := g.Groups[key]; have != nil {
		for _, rule := range have.Rules {
			if !mayChange(rule["provenance"], r) {
				return said(http.StatusConflict, "cannot change provenance from '%v'", rule["provenance"])
			}
		}
	}
	for other, group := range g.Groups {
		for _, rule := range group.Rules {
			if uid := fmt.Sprint(rule["uid"]); other != key && strings.Contains(string(body), fmt.Sprintf("%q", uid)) {
				return said(http.StatusConflict, "rule UID %s is taken", uid)
			}
		}
	}
	interval, _ := raw["interval"].(json.Number).Int64()
	group := &Group{Interval: interval}
	for i, one := range raw["rules"].([]any) {
		rule := clone(one.(map[string]any))
		rule["id"], rule["updated"], rule["provenance"] = i+1, g.Now(), "api"
		if r.Header.Get("X-Disable-Provenance") != "" {
			delete(rule, "provenance")
		}
		fill(rule)
		group.Rules = append(group.Rules, rule)
	}
	g.Groups[key] = group
	return answer{http.StatusOK, raw}
}

// fill does to a rule what Grafana does to it.
func fill(rule map[string]any) {
	if _, there := rule["isPaused"]; !there {
		rule["isPaused"] = false
	}
	rule["notification_settings"] = nil
	queries, _ := rule["data"].([]any)
	for _, q := range queries {
		if m, ok := q.(map[string]any)["model"].(map[string]any); ok {
			for key, value := range map[string]any{"intervalMs": 1000, "maxDataPoints": 43200} {
				if _, there := m[key]; !there {
					m[key] = value
				}
			}
		}
	}
}

// told reports whether the SDK's list of errors holds any: an empty list is an error that is not nil.
func told(err error) bool { return err != nil && err.Error() != "" }

// validGroup holds a group to the SDK's type, and to what it says twice.
func validGroup(raw map[string]any, folder, title string) error {
	raw = clone(raw)
	rules, _ := raw["rules"].([]any)
	for _, r := range rules {
		rule, _ := r.(map[string]any)
		if rule["folderUID"] != folder || rule["ruleGroup"] != title {
			return fmt.Errorf("rule %v is of group %v in folder %v", rule["title"], rule["ruleGroup"], rule["folderUID"])
		}
		// The API's documentation has it under this name; the SDK under another.
		if text, ok := rule["keep_firing_for"].(string); ok {
			if _, err := time.ParseDuration(text); err != nil {
				return err
			}
			delete(rule, "keep_firing_for")
		}
	}
	data, err := json.Marshal(raw)
	if err != nil {
		return err
	}
	var typed alerting.RuleGroup
	if err := typed.UnmarshalJSONStrict(data); told(err) {
		return err
	}
	if typed.Title == nil || *typed.Title != title || typed.Interval == nil || *typed.Interval <= 0 || len(typed.Rules) == 0 {
		return errors.New("title, interval and rules are needed")
	}
	for _, rule := range typed.Rules {
		refs := map[string]bool{}
		for _, q := range rule.Data {
			if q.RefId != nil {
				refs[*q.RefId] = true
			}
		}
		if !refs[rule.Condition] || rule.Title == "" || len(rule.Title) > 190 || rule.Uid == nil || len(*rule.Uid) > 40 || strings.ContainsAny(*rule.Uid, "/ ") {
			return fmt.Errorf("rule %q: its condition %q, title or uid", rule.Title, rule.Condition)
		}
	}
	return nil
}
