package strictyaml

import "strings"

// DidYouMean is ", did you mean x?" for the known word closest to got, or "" when none is close.
func DidYouMean(got string, known []string) string {
	best, bestDistance := "", len(got)/3+1
	if len(got) > 64 {
		return ""
	}
	for _, k := range known {
		if d := distance(normal(got), normal(k)); d < bestDistance || (d == 0 && best == "") {
			best, bestDistance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return ", did you mean " + best + "?"
}

// normal makes scrapeInterval, scrape-interval and scrape_interval one word.
func normal(s string) string {
	return strings.NewReplacer("_", "", "-", "", ".", "").Replace(strings.ToLower(s))
}

// distance counts the edits that turn a into b; swapping two neighbours is one.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			rows[i][j] = min(change, rows[i-1][j]+1, rows[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
