// Package dashboards is the contract of generated screens. The variants are the folders below, one for each
// dialect. All of them are functions of their arguments: no clock, no files, no network.
//
//	Dashboard{UID: "assayer-on-call", Title: "On call", Folder: "Assayer", JSON: {"uid": "assayer-on-call", "panels": […]}}
package dashboards

import (
	"github.com/assayer-io/assayer/alerts"
	"github.com/assayer-io/assayer/slo/rail"
)

// Input is what screens are made from.
type Input struct {
	Objectives []alerts.Objective
	Rails      []rail.Rail // those that are in use; empty: no settlement screens' rows by rail
	Options    Options
}

// Options say where screens live and what they point to.
type Options struct {
	Folder        string         // in Grafana; empty is Assayer
	Currency      string         // ISO 4217 reporting currency; empty: values have no unit
	Assets        map[string]int // digits after the point of what is paid in beside ISO 4217's currencies
	AgentSelector string         // matchers that every use of the agent's own series gets, such as job="assayer"; empty: none
	Links         alerts.Links   // Dashboards is for alerts and runbooks: screens link to each other without a host
}

// Dashboard is one screen.
type Dashboard struct {
	UID    string // stable: links go by it; at most 40 characters
	Title  string
	Folder string
	Tags   []string // always has assayer, by which what is ours is known
	JSON   []byte   // as Grafana's dashboard API takes it, indented, with a newline at the end; the same from run to run
}

// UIDs of the screens.
const (
	UIDOnCall     = "assayer-on-call"
	UIDExecutive  = "assayer-executive"
	UIDService    = "assayer-service"
	UIDObjective  = "assayer-objective" // variable slo
	UIDSettlement = "assayer-settlement"
	UIDCompliance = "assayer-compliance"
	UIDCost       = "assayer-cost"
	UIDAgent      = "assayer-agent"
)

// TagOwned marks what Assayer generated.
const TagOwned = "assayer"
