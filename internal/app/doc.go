// Package app wires the rooms into one program and is the only package that
// knows everybody. It reads the configuration, starts private engines when
// none are given, migrates, listens, runs the roles, and stops all of it in
// order (see App.Run).
//
// A role is a part of the program that may run in a process of its own, in as
// many processes as wanted: web answers HTTP and keeps sockets, admission
// ticks, worker serves mailboxes and jobs. They share nothing but Postgres
// and Redis.
//
// Failure: a process that cannot reach its engines at the start says so in one
// line and ends. Later the roles outlive an engine's absence; see the package
// docs of the rooms. A role that ends with an error ends the process, so that
// whoever supervises it starts it anew.
package app
