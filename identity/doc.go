// Package identity knows who asks: fans, who need no account, and organizers,
// who have one.
//
// A fan is a random id and a MAC over it (purpose fan), kept by the fan as a
// cookie or a bearer token. Checking it needs no engine, so fans keep their
// identity while Redis or Postgres are away. Nobody can make or guess another
// fan's token without the house's secret.
//
// An account has a verified e-mail address and a password (argon2id, a few at
// a time). Whoever logs in holds a session: a signed token of which Postgres
// keeps only the SHA-256. The signature tells any node whose it is, which is
// enough to be told where one stands in a line, also while Postgres is away;
// for everything else the session must still be in Postgres. Without Postgres
// nobody is logged in there, and the error says unavailable, not
// unauthenticated.
//
// Links in mails are signed and stored only when they are used: each works
// once, for half an hour.
package identity
