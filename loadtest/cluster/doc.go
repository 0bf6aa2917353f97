// Package cluster starts a house of several processes on this machine: three
// nodes that speak to fans, two that admit, two that work, on a private
// PostgreSQL and Redis, all from the ropeline program. It can kill each of
// them, and stands with proxies between them where a run wants faults of the
// network.
//
// Everything that it starts ends with it: processes are killed when this
// process dies (on Linux by the kernel), and the engines stop when the pipe to
// their keeper closes. A process that ends by itself is started again, as a
// supervisor would, and is told in the log; Stop reports how often.
package cluster
