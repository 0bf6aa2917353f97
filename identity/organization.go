package identity

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/ropeline/ropeline"
)

// HouseOrganization is the house's own.
const HouseOrganization = ropeline.HouseOrganization

// Organization is somebody who has events.
type Organization struct {
	ID           ropeline.OrganizationID `json:"id"`
	Name         string                  `json:"name"`
	TOTPRequired bool                    `json:"totp_required"`
}

// Member is an account in an organization.
type Member struct {
	Account ropeline.AccountID `json:"account"`
	Email   string             `json:"email"`
	Role    Role               `json:"role"`
	TOTP    bool               `json:"totp"` // has a second factor
}

// CreateOrganization makes one, owned by an account.
func (a *Accounts) CreateOrganization(ctx context.Context, tx pgx.Tx, name string, owner ropeline.AccountID) (Organization, error) {
	o := Organization{ID: ropeline.NewID[ropeline.OrganizationID](), Name: strings.TrimSpace(name)}
	if err := checkName(o.Name); err != nil {
		return o, err
	}
	if _, err := tx.Exec(ctx, "insert into organizations (id, name) values ($1, $2)", o.ID, o.Name); err != nil {
		return o, ropeline.Unavailable(err)
	}
	return o, a.addMember(ctx, tx, o.ID, owner, RoleOwner)
}

func checkName(name string) error {
	if n := utf8.RuneCountInString(name); n < 1 || n > 200 || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
		return ropeline.Errorf(ropeline.CodeInvalidRequest, "The name must have 1 to 200 characters.")
	}
	return nil
}

func (a *Accounts) addMember(ctx context.Context, tx pgx.Tx, organization ropeline.OrganizationID, account ropeline.AccountID, role Role) error {
	_, err := tx.Exec(ctx, `insert into memberships (organization_id, account_id, role) values ($1, $2, $3)
		on conflict (organization_id, account_id) do update set role = excluded.role`, organization, account, role)
	if err != nil {
		return ropeline.Unavailable(err)
	}
	return nil
}

// Organization reads one; code not_found.
func (a *Accounts) Organization(ctx context.Context, id ropeline.OrganizationID) (Organization, error) {
	o := Organization{ID: id}
	err := a.pool.QueryRow(ctx, "select name, totp_required from organizations where id = $1", id).Scan(&o.Name, &o.TOTPRequired)
	if errors.Is(err, pgx.ErrNoRows) {
		return o, ropeline.Errorf(ropeline.CodeNotFound, "There is no such organization.")
	}
	if err != nil {
		return o, ropeline.Unavailable(err)
	}
	return o, nil
}

// EditOrganization renames one or changes what it wants; nil fields stay.
func (a *Accounts) EditOrganization(ctx context.Context, tx pgx.Tx, id ropeline.OrganizationID, name *string, totp *bool) (before, after Organization, err error) {
	before.ID = id
	if err := tx.QueryRow(ctx, "select name, totp_required from organizations where id = $1 for update", id).Scan(&before.Name, &before.TOTPRequired); err != nil {
		return before, after, ropeline.Unavailable(err)
	}
	after = before
	if name != nil {
		if after.Name = strings.TrimSpace(*name); checkName(after.Name) != nil {
			return before, after, checkName(after.Name)
		}
	}
	if totp != nil {
		after.TOTPRequired = *totp
	}
	if _, err := tx.Exec(ctx, "update organizations set name = $2, totp_required = $3 where id = $1", id, after.Name, after.TOTPRequired); err != nil {
		return before, after, ropeline.Unavailable(err)
	}
	return before, after, nil
}

// Members lists the people of an organization.
func (a *Accounts) Members(ctx context.Context, id ropeline.OrganizationID) ([]Member, error) {
	rows, err := a.pool.Query(ctx, `
		select a.id, a.email, m.role, a.totp_since is not null from memberships m join accounts a on a.id = m.account_id
		where m.organization_id = $1 order by a.email`, id)
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	members, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Member])
	if err != nil {
		return nil, ropeline.Unavailable(err)
	}
	return members, nil
}

// SetRole gives a member another role, or with "" takes it out; the sessions
// of the account end with its membership. Codes: not_found, and last_owner for
// the only owner.
func (a *Accounts) SetRole(ctx context.Context, tx pgx.Tx, organization ropeline.OrganizationID, account ropeline.AccountID, role Role) (before Role, err error) {
	if role != "" && !slices.Contains(Roles, role) {
		return "", ropeline.Errorf(ropeline.CodeInvalidRequest, "%q is no role.", role)
	}
	// Whoever changes roles locks the organization: two owners cannot demote each other at once.
	if _, err := tx.Exec(ctx, "select 1 from organizations where id = $1 for update", organization); err != nil {
		return "", ropeline.Unavailable(err)
	}
	var owners int
	err = tx.QueryRow(ctx, `select role, (select count(*) from memberships where organization_id = $1 and role = 'owner')
		from memberships where organization_id = $1 and account_id = $2`, organization, account).Scan(&before, &owners)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", ropeline.Errorf(ropeline.CodeNotFound, "There is no such member.")
	case err != nil:
		return "", ropeline.Unavailable(err)
	case before == RoleOwner && role != RoleOwner && owners == 1:
		return before, ropeline.Errorf(ropeline.CodeLastOwner, "An organization needs an owner: make somebody else one first.")
	case role != "":
		return before, a.addMember(ctx, tx, organization, account, role)
	}
	if _, err := tx.Exec(ctx, "delete from memberships where organization_id = $1 and account_id = $2", organization, account); err != nil {
		return before, ropeline.Unavailable(err)
	}
	if _, err := tx.Exec(ctx, "delete from sessions where account_id = $1", account); err != nil {
		return before, ropeline.Unavailable(err)
	}
	return before, nil
}
