// Package loadtest is the command line of the load tester: it sends a crowd of
// synthetic fans to a drop, judges what they saw, reports and forecasts. It is
// a black box: its packages import the vocabulary, the pure arithmetic of
// admission (admission/pace) for the forecast, and nothing else of the house.
//
//	scenario   a run as a file: the event, the crowd, its arrival, its faults
//	arrival    when fans come;  trace: the same from or to a file
//	crowd      the fans: HTTP, WebSocket, event stream
//	record     everything that fans were told, on disk
//	judge      the invariants;  tally: the counts;  report: both for people
//	plan       the same crowd without a server
//	cluster    a house of several processes to send it to;  fault: what befalls it
package loadtest
