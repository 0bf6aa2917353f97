// Package bench holds the benchmarks that compare the whole program, over
// HTTP and with durable engines, with a plain reference in the same run:
// `make bench`. The load is a process of its own on the same machine, alike for
// both sides; what counts is the ratio, taken round by round and given as the
// median. Results are in docs/benchmarks.md.
package bench
