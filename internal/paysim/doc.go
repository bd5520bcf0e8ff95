// Package paysim is a small payment company that can be broken on purpose. Three services (card
// authorisation, instant transfer, crypto withdrawal) listen on loopback, a load generator posts real
// HTTP requests to them along a day's curve, and each exposes /metrics like any service would:
//
//	card_auth_total{outcome="approved",reason="00",scheme="visa"} 5210
//	card_auth_total{outcome="business",reason="51",scheme="visa"} 231
//	card_auth_total{outcome="technical",reason="91",scheme="visa"} 3
//	card_auth_seconds_bucket{le="2"} 9870
//	card_auth_amount_minor_total{currency="EUR",outcome="approved"} 2.1731e+07
//	card_auth_inflight_ratio 0.31
//	build_info{revision="v1"} 1
//
// Latencies are modelled: a request is answered at once and the histogram records how long it would
// have taken, so that a payment company costs a few percent of one core.
//
// Instant transfers are accepted first and settle later. Whoever is named with [Simulator.TellTo] is told of each
// of them, as events: received, then settled or rejected. A settlement stop is the fault that no metric of a
// service shows: payments are accepted and none completes.
//
// An admin server deploys revisions, switches faults on, takes signed rollback calls, and tells at
// /truth what was served, counted beside the metrics: what an agent counts has to equal it.
//
// The simulator has its own time, the sum of the steps taken. [Start] either drives the steps from
// the clock or, with Options.Manual, leaves them to the caller; equal seeds and steps give equal
// payments.
package paysim
