package identity

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// MailInvitation is the kind of mail that invites somebody into an
// organization; data: url, organization, role, by.
const MailInvitation = "Invitation"

const linkInvite = "invite"

// InvitationLife is how long an invitation can be accepted.
const InvitationLife = 7 * 24 * time.Hour

// Invitation is a role that waits for somebody.
type Invitation struct {
	ID        string    `json:"id"`
	Email     string    `json:"email"`
	Role      Role      `json:"role"`
	InvitedBy string    `json:"invited_by"`
	ExpiresAt time.Time `json:"expires_at"`
}

// Invite writes an invitation and mails its link. An older one to the same
// address that was not accepted ends.
func (a *Accounts) Invite(ctx context.Context, tx pgx.Tx, o Organization, email string, role Role, by string) (Invitation, error) {
	email, err := parseEmail(email)
	if err != nil {
		return Invitation{}, err
	}
	if !slices.Contains(Roles, role) {
		return Invitation{}, ropeline.Errorf(ropeline.CodeInvalidRequest, "%q is no role.", role)
	}
	i := Invitation{ID: ropeline.NewID[string](), Email: email, Role: role, InvitedBy: by, ExpiresAt: time.Now().Add(InvitationLife).Truncate(time.Second)}
	batch := &pgx.Batch{}
	batch.Queue("update invitations set revoked_at = now() where organization_id = $1 and email = $2 and accepted_at is null and revoked_at is null", o.ID, email)
	batch.Queue("insert into invitations (id, organization_id, email, role, invited_by, expires_at) values ($1, $2, $3, $4, $5, $6)", i.ID, o.ID, email, role, by, i.ExpiresAt)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return i, ropeline.Unavailable(err)
	}
	if a.options.Mail == nil {
		return i, nil
	}
	token := a.signLink(link{Kind: linkInvite, Email: email, ID: i.ID}, i.ExpiresAt)
	err = a.options.Mail(ctx, MailInvitation, email, map[string]string{
		"url": a.options.PublicURL + "/invitations/" + token, "organization": o.Name, "role": role.Words(), "by": by})
	if err != nil {
		return i, ropeline.Unavailable(err)
	}
	return i, nil
}

// Invitations lists those of an organization that can still be accepted.
func (a *Accounts) Invitations(ctx context.Context, organization ropeline.OrganizationID) ([]Invitation, error) {
	rows, err := a.pool.Query(ctx, `select id, email, role, invited_by, expires_at from invitations
		where organization_id = $1 and accepted_at is null and revoked_at is null and expires_at > now() order by created_at`, organization)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	open, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Invitation])
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	return open, nil
}

// Uninvite takes an invitation back; code not_found.
func (a *Accounts) Uninvite(ctx context.Context, tx pgx.Tx, organization ropeline.OrganizationID, id string) error {
	tag, err := tx.Exec(ctx, "update invitations set revoked_at = now() where organization_id = $1 and id = $2 and accepted_at is null and revoked_at is null", organization, id)
	if err != nil {
		return ropeline.Unavailable(err)
	}
	if tag.RowsAffected() == 0 {
		return ropeline.Errorf(ropeline.CodeNotFound, "There is no such invitation.")
	}
	return nil
}

// Invited is what a link of an invitation offers.
type Invited struct {
	Invitation
	Organization Organization
	HasAccount   bool // the address has an account: it accepts after logging in
}

// Invited looks at the link of an invitation; code link_invalid.
func (a *Accounts) Invited(ctx context.Context, token string) (Invited, error) {
	l, err := a.parseLink(token)
	if err != nil || l.Kind != linkInvite {
		return Invited{}, errLink()
	}
	return readInvited(ctx, a.pool, l, "")
}

func readInvited(ctx context.Context, q interface {
	QueryRow(context.Context, string, ...any) pgx.Row
}, l link, lock string) (Invited, error) {
	var i Invited
	err := q.QueryRow(ctx, `
		select i.id, i.email, i.role, i.invited_by, i.expires_at, o.id, o.name, o.totp_required, exists (select from accounts where lower(email) = i.email)
		from invitations i join organizations o on o.id = i.organization_id
		where i.id = $1 and i.accepted_at is null and i.revoked_at is null and i.expires_at > now() `+lock, l.ID).
		Scan(&i.ID, &i.Email, &i.Role, &i.InvitedBy, &i.ExpiresAt, &i.Organization.ID, &i.Organization.Name, &i.Organization.TOTPRequired, &i.HasAccount)
	if errors.Is(err, pgx.ErrNoRows) {
		return i, errLink()
	}
	if err != nil {
		return i, ropeline.Unavailable(err)
	}
	return i, nil
}

// Accept gives the role of an invitation to the account that is logged in,
// whose address must be the invited one, or with account "" to a new account
// of that address with a password. It opens a session. Codes: link_invalid,
// invalid_password, forbidden for another account's invitation, and
// unauthenticated when the address has an account that is not logged in.
func (a *Accounts) Accept(ctx context.Context, token string, by Account, password, device string, factor bool) (session string, ends time.Time, err error) {
	l, err := a.parseLink(token)
	if err != nil || l.Kind != linkInvite {
		return "", ends, errLink()
	}
	var hash string
	if by.ID == "" {
		if err := checkPassword(password, l.Email); err != nil {
			return "", ends, err
		}
		if hash, err = a.hasher.hash(ctx, password); err != nil {
			return "", ends, err
		}
	}
	err = a.within(ctx, func(tx pgx.Tx) error {
		i, err := readInvited(ctx, tx, l, "for update of i")
		if err != nil {
			return err
		}
		switch {
		case by.ID == "" && i.HasAccount:
			return ropeline.Errorf(ropeline.CodeUnauthenticated, "%s has an account: log in, and open the link again.", i.Email)
		case by.ID == "":
			by = Account{ID: ropeline.NewID[ropeline.AccountID](), Email: i.Email}
			if _, err := tx.Exec(ctx, "insert into accounts (id, email, password_hash) values ($1, $2, $3)", by.ID, by.Email, hash); err != nil {
				return err
			}
		case by.Email != i.Email:
			return ropeline.Errorf(ropeline.CodeForbidden, "The invitation is for %s, and you are logged in as %s.", i.Email, by.Email)
		}
		if _, err := tx.Exec(ctx, "update invitations set accepted_at = now() where id = $1", i.ID); err != nil {
			return err
		}
		if err := a.addMember(ctx, tx, i.Organization.ID, by.ID, i.Role); err != nil {
			return err
		}
		entry := Entry{Organization: string(i.Organization.ID), Account: by.ID, Actor: by.Email, Action: "invitation.accept", Object: "organization/" + string(i.Organization.ID)}
		if err := Record(ctx, tx, entry, nil, map[string]any{"role": i.Role, "invited_by": i.InvitedBy}); err != nil {
			return err
		}
		session, ends, err = a.open(ctx, tx, by, device, factor)
		return err
	})
	return session, ends, err
}
