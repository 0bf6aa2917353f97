// Package plan forecasts a drop without a server: the crowd of a scenario, fan
// by fan as a run would draw it, against the house's own tick (package
// admission/pace) and a model of everything else.
//
// The model: time goes in ticks of 100 ms. Fans who come before the drop meet
// in the lobby and are shuffled; others get the next number. A fan hears of its
// admission at once, or at its next look where it polls; enters, thinks, and
// reserves by its taste what is left, at most three times; pays, gives up or
// lets the hold run out. Answers take no time but for a moment to settle a
// payment. What a network or a sleeping phone adds is left out, and so is every
// fault. docs/benchmarks.md says how well that meets real runs.
//
// The same scenario gives the same forecast, always. Nothing here fails.
package plan
