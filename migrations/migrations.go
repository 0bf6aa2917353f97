// Package migrations holds the schema of the Postgres database and applies
// it. Apply runs under an advisory lock that tern takes, so several processes
// may start at once, and starting twice is normal: a migration that is already
// there is left alone. A failing migration rolls back and names its file.
package migrations

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/tern/v2/migrate"
)

//go:embed *.sql
var files embed.FS

// Apply brings the database to the newest schema.
func Apply(ctx context.Context, databaseURL string) error {
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return fmt.Errorf("migrations: connect: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))

	migrator, err := migrate.NewMigrator(ctx, conn, "schema_version")
	if err != nil {
		return fmt.Errorf("migrations: %w", err)
	}
	if err := migrator.LoadMigrations(files); err != nil {
		return fmt.Errorf("migrations: read: %w", err)
	}
	if err := migrator.Migrate(ctx); err != nil {
		return fmt.Errorf("migrations: apply: %w", err)
	}
	return nil
}

// Files are the migrations, each with the way up and the way down.
func Files() fs.FS { return files }

// Fingerprint tells one schema from another: 16 hex digits over all files.
func Fingerprint() string {
	sum := sha256.New()
	names, _ := fs.Glob(files, "*.sql")
	for _, name := range names {
		content, _ := files.ReadFile(name)
		fmt.Fprintf(sum, "%s\n%d\n%s", name, len(content), content)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16]
}
