// Package identity knows who asks: fans, who need no account, and organizers,
// who have one.
//
// A fan is a random id and a MAC over it (purpose fan), kept by the fan as a
// cookie or a bearer token. Checking it needs no engine, so fans keep their
// identity while Redis or Postgres are away. Nobody can make or guess another
// fan's token without the house's secret.
//
// Organizers sign in with e-mail and password (argon2id) and hold a session:
// a random token of which Postgres keeps only the SHA-256. Without Postgres
// nobody is signed in, and the error says unavailable, not unauthenticated.
package identity
