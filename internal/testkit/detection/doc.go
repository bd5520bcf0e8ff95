// Package detection measures how fast and how rightly the engine pages: it runs the traces of package
// traces through it, and through the six approaches of the SRE workbook, chapter 5, side by side.
//
// [Report] writes the result as Markdown, one table a family of incidents:
//
//	#### step outage: page in the formula's time
//
//	| rule | found | time to detect: median, p90, worst | budget burned by then | pages right | reset | pages each |
//	|---|---|---|---|---|---|---|
//	| Assayer | 100 % of 480 | 47 s, 5 m 7 s, 3 h 36 m | 0.4 % | 100 % of 660 | 29 m 40 s | 1.0 |
package detection
