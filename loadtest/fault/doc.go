// Package fault makes things befall a house while a crowd is in it: processes
// die, engines restart, the network between the parts gets slow, is cut, goes
// silent or loses replies, and the gateway's webhooks come twice and out of
// order.
//
// The network's faults are made by small TCP proxies between fans and nodes,
// and between nodes and engines; a proxy that is told nothing passes bytes on.
// A Plan plays a scenario's faults by the run's clock and tells each when it
// begins and when it is over. A fault that cannot be made ends the run with an
// error: a chaos run that was quieter than it says would prove nothing.
package fault
