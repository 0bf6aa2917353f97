package identity

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// SendLink is how an account begins, and how a forgotten password is replaced:
// the address gets a link that fits, to make its account or to set a new
// password. To whoever asks the two look and take the same, so the answer does
// not tell which accounts exist. There are no accounts whose address was not
// verified: nobody can set a password for a stranger's address.
func (a *Accounts) SendLink(ctx context.Context, email string) error {
	email, err := parseEmail(email)
	if err != nil {
		return err
	}
	var since time.Time
	err = a.pool.QueryRow(ctx, "select password_at from accounts where lower(email) = $1", email).Scan(&since)
	l, kind := link{Kind: linkReset, Email: email, Since: since.UnixMicro()}, MailReset
	if errors.Is(err, pgx.ErrNoRows) {
		l, kind, err = link{Kind: linkVerify, Email: email}, MailVerification, nil
	}
	if err != nil {
		return ropeline.Unavailable(err)
	}
	token := a.signLink(l, time.Now().Add(linkLife))
	if a.options.Mail == nil {
		return nil
	}
	if err := a.options.Mail(ctx, kind, email, map[string]string{"url": a.options.PublicURL + "/password/" + token, "minutes": minutes(linkLife)}); err != nil {
		return ropeline.Unavailable(err)
	}
	return nil
}

// LinkEmail is the address that a link was sent to, and whether it makes a new
// account; code link_invalid. The link stays unused.
func (a *Accounts) LinkEmail(token string) (email string, fresh bool, err error) {
	l, err := a.parseLink(token)
	if err == nil && l.Kind != linkVerify && l.Kind != linkReset {
		err = errLink()
	}
	return l.Email, l.Kind == linkVerify, err
}

// SetPassword uses a link of SendLink: it makes the account or sets its new
// password, ends the account's other sessions and opens one; for an account
// with a second factor it opens none (""). Codes: link_invalid,
// invalid_password.
func (a *Accounts) SetPassword(ctx context.Context, token, password, device string) (session string, account Account, ends time.Time, err error) {
	l, err := a.parseLink(token)
	if err == nil && l.Kind != linkVerify && l.Kind != linkReset {
		err = errLink()
	}
	if err == nil {
		err = checkPassword(password, l.Email)
	}
	if err != nil {
		return "", account, ends, err
	}
	hash, err := a.hasher.hash(ctx, password)
	if err != nil {
		return "", account, ends, err
	}
	err = pgx.BeginFunc(ctx, a.pool, func(tx pgx.Tx) (err error) {
		if err := use(ctx, tx, l); err != nil {
			return err
		}
		var factor bool
		if account, factor, err = setPassword(ctx, tx, l, hash); err != nil {
			return err
		}
		if a.options.Adopt != nil {
			if err := a.options.Adopt(ctx, tx, account.ID, account.Email); err != nil {
				return err
			}
		}
		if factor { // the link is not the second factor: log in with both
			return nil
		}
		session, ends, err = a.open(ctx, tx, account, device, false)
		return err
	})
	if _, ours := errors.AsType[*ropeline.Error](err); err != nil && !ours {
		err = ropeline.Unavailable(err)
	}
	if err != nil {
		return "", Account{}, time.Time{}, err
	}
	return session, account, ends, nil
}

// use keeps that a link was used; of two who use it at once, one fails.
func use(ctx context.Context, tx pgx.Tx, l link) error {
	if _, err := tx.Exec(ctx, "delete from used_links where expires_at < now()"); err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, "insert into used_links (nonce, expires_at) values ($1, $2) on conflict do nothing", l.nonce, l.ends)
	if err == nil && tag.RowsAffected() == 0 {
		return errLink()
	}
	return err
}

// setPassword makes the account of a link to verify, or gives the account of a
// link to reset its new password.
func setPassword(ctx context.Context, tx pgx.Tx, l link, hash string) (account Account, factor bool, err error) {
	var since time.Time
	err = tx.QueryRow(ctx, "select id, email, password_at, totp_since is not null from accounts where lower(email) = $1 for update", l.Email).
		Scan(&account.ID, &account.Email, &since, &factor)
	switch {
	case errors.Is(err, pgx.ErrNoRows) && l.Kind == linkVerify:
		account = Account{ID: ropeline.NewID[ropeline.AccountID](), Email: l.Email}
		_, err := tx.Exec(ctx, "insert into accounts (id, email, password_hash) values ($1, $2, $3)", account.ID, account.Email, hash)
		return account, false, err
	case errors.Is(err, pgx.ErrNoRows), err == nil && (l.Kind != linkReset || since.UnixMicro() != l.Since):
		return account, false, errLink()
	case err != nil:
		return account, false, err
	}
	if _, err := tx.Exec(ctx, "update accounts set password_hash = $2, password_at = clock_timestamp() where id = $1", account.ID, hash); err != nil {
		return account, false, err
	}
	_, err = tx.Exec(ctx, "delete from sessions where account_id = $1", account.ID)
	return account, factor, err
}
