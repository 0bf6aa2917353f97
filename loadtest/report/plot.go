package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// curve is one line of a plot.
type curve struct {
	name   string
	values []float64
	dashed bool
}

// mark is a vertical line.
type mark struct {
	at   float64
	name string
}

// plot draws curves over time as an SVG that stands by itself; colours come
// from the page's classes c0, c1 …
type plot struct {
	title, unit string
	from, width float64 // of the first value and between two, seconds
	curves      []curve
	marks       []mark
	logarithmic bool
	steps       bool // values are counts of a stretch, not of a moment
}

const (
	plotWide, plotHigh                = 720.0, 220.0
	padLeft, padRight, padTop, padBot = 56.0, 8.0, 8.0, 26.0
)

func (p plot) svg() template.HTML {
	var b strings.Builder
	n, top, least := 0, 0.0, math.Inf(1)
	for _, c := range p.curves {
		n = max(n, len(c.values))
		for _, v := range c.values {
			top = max(top, v)
			if v > 0 {
				least = min(least, v)
			}
		}
	}
	if n == 0 || top <= 0 {
		return ""
	}
	end := p.from + float64(n)*p.width
	x := func(t float64) float64 { return padLeft + (t-p.from)/(end-p.from)*(plotWide-padLeft-padRight) }
	low := 0.0
	y := func(v float64) float64 { return plotHigh - padBot - v/top*(plotHigh-padTop-padBot) }
	ticks := linearTicks(top)
	if p.logarithmic {
		low = math.Floor(math.Log10(least))
		high := math.Ceil(math.Log10(top))
		if high <= low {
			high = low + 1
		}
		y = func(v float64) float64 {
			return plotHigh - padBot - (math.Log10(max(v, math.Pow(10, low)))-low)/(high-low)*(plotHigh-padTop-padBot)
		}
		ticks = nil
		for e := low; e <= high; e++ {
			ticks = append(ticks, math.Pow(10, e))
		}
	}
	fmt.Fprintf(&b, `<figure><figcaption>%s`, template.HTMLEscapeString(p.title))
	for i, c := range p.curves {
		fmt.Fprintf(&b, ` <span class="key c%d">%s</span>`, i, template.HTMLEscapeString(c.name))
	}
	fmt.Fprintf(&b, `</figcaption><svg viewBox="0 0 %g %g" role="img" aria-label="%s">`, plotWide, plotHigh, template.HTMLEscapeString(p.title))
	for _, v := range ticks {
		fmt.Fprintf(&b, `<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/><text x="%g" y="%.1f" text-anchor="end">%s</text>`,
			padLeft, plotWide-padRight, y(v), y(v), padLeft-5, y(v)+4, short3(v)+p.unit)
	}
	for _, t := range linearTicks(end) {
		if t >= p.from {
			fmt.Fprintf(&b, `<text x="%.1f" y="%g" text-anchor="middle">%ss</text>`, x(t), plotHigh-8, short3(t))
		}
	}
	for _, m := range p.marks {
		if m.at >= p.from && m.at <= end {
			fmt.Fprintf(&b, `<line class="mark" x1="%.1f" x2="%.1f" y1="%g" y2="%g"><title>%s</title></line>`,
				x(m.at), x(m.at), padTop, plotHigh-padBot, template.HTMLEscapeString(m.name))
		}
	}
	for i, c := range p.curves {
		fmt.Fprintf(&b, `<polyline class="c%d%s" points="`, i, map[bool]string{true: " dashed"}[c.dashed])
		for j, v := range c.values {
			if p.steps {
				fmt.Fprintf(&b, "%.1f,%.1f ", x(p.from+float64(j)*p.width), y(v))
			}
			fmt.Fprintf(&b, "%.1f,%.1f ", x(p.from+float64(j+1)*p.width), y(v))
		}
		b.WriteString(`"/>`)
	}
	b.WriteString(`</svg></figure>`)
	return template.HTML(b.String())
}

// linearTicks are four to eight round values up to top.
func linearTicks(top float64) (ticks []float64) {
	step := math.Pow(10, math.Floor(math.Log10(top)))
	for _, part := range []float64{0.1, 0.2, 0.25, 0.5, 1} {
		if top/(step*part) <= 8 {
			step *= part
			break
		}
	}
	for v := 0.0; v <= top*1.0001; v += step {
		ticks = append(ticks, v)
	}
	return ticks
}

// short3 writes 12345 as 12.3k.
func short3(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.3gM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.3gk", v/1e3)
	}
	return fmt.Sprintf("%.4g", v)
}
