// Package engines runs a private PostgreSQL and a private Redis from the
// machine's own binaries, so that the program needs no configuration and the
// tests need no fake.
//
//	<data dir>/engines/          the home (a link into /var/lib/ropeline-engines
//	│                            where the data directory is closed to the engines' user)
//	├── gate.lock                held alone while somebody starts or stops
//	├── users.lock               shared by everybody who uses the engines
//	├── sockets                  the path of the socket directory, /tmp/rl-…, mode 0700
//	├── postgres/  postgres.conf  postgres.log
//	└── redis/     redis.conf     redis.log
//
// The engines listen on Unix sockets only, never on TCP. When the program is
// root they run as an unprivileged user, since Postgres refuses root: the owner
// of data that are already there, else "postgres", else "nobody".
//
// # Starting
//
// Starting twice on one data directory, also at the same moment, is normal. The
// gate lets one starter in at a time; whoever finds the engines alive adopts
// them. An engine that lives but does not answer yet (it recovers, or is going
// down) is waited for. Ready means: the engine answered a query. A start that
// fails returns an error with the last lines of the engine's log and stops what
// it had started.
//
// # Stopping
//
// Stop gives up the share of the caller; the last user stops the engines.
// Postgres gets SIGINT, then SIGQUIT, then SIGKILL; Redis SIGTERM, then
// SIGKILL. The engines are in process groups of their own, so a Ctrl-C in the
// terminal reaches only the program, which stops them after itself.
//
// # When something dies
//
//   - The program, even by kill -9: the engines live on, the next start adopts them.
//   - An engine: the program that started it starts it again, half a second later
//     and as often as it takes; its clients report errors meanwhile, and the log of
//     the program names it. A program that only adopted it does not: restart that
//     one. Postgres replays its WAL and Redis its AOF. Postgres loses no committed
//     transaction, Redis at most the last second, and only if the machine went down with it.
//   - The machine: the same; stale pid files and sockets are recognized as such.
//   - Another program holds the data directory, but its engines cannot be reached
//     from here (another container on the same volume): an error, never a second
//     Postgres on the same files.
//
// Engines of tests ([Test], [TestRedis], [TestCluster]) do not fsync and die with
// the process that started them.
package engines
