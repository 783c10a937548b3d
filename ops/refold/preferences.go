package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/refold/refold/schemas/api/bankv1"
)

// preferences is the group of commands about what a customer wants to be told.
func (c *cli) preferences() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "preferences",
		Short: "Show and set what a customer wants to be told, and where they are",
	}
	cmd.AddCommand(c.getPreferences(), c.setPreferences())
	return cmd
}

func (c *cli) getPreferences() *cobra.Command {
	return &cobra.Command{
		Use:   "get CUSTOMER",
		Short: "Show what a customer wants to be told",
		Args:  args(1),
		RunE: func(cmd *cobra.Command, a []string) error {
			return c.withProfiles(cmd.Context(), func(ctx context.Context, profiles bankv1.ProfilesServiceClient) error {
				resp, err := profiles.GetPreferences(ctx, &bankv1.GetPreferencesRequest{CustomerId: a[0]})
				if err != nil {
					return err
				}
				if c.json {
					return c.printProto(resp)
				}
				return c.printPreferences(resp.GetPreferences())
			})
		},
	}
}

func (c *cli) setPreferences() *cobra.Command {
	r := &bankv1.SetPreferencesRequest{}
	var rules []string
	cmd := &cobra.Command{
		Use:     "set CUSTOMER",
		Short:   "Set all that a customer wants; what is not said is the bank's own",
		Example: "  refold preferences set bcc-2968 --rule large-purchase=50000 --rule low-balance=off",
		Args:    args(1),
		RunE: func(cmd *cobra.Command, a []string) error {
			r.CustomerId = a[0]
			r.IdempotencyKey = cmp.Or(r.GetIdempotencyKey(), rand.Text())
			for _, text := range rules {
				rule, err := parseRule(text)
				if err != nil {
					return err
				}
				r.Rules = append(r.Rules, rule)
			}
			return c.withProfiles(cmd.Context(), func(ctx context.Context, profiles bankv1.ProfilesServiceClient) error {
				resp, err := profiles.SetPreferences(ctx, r)
				if err != nil {
					return err
				}
				if c.json {
					return c.printProto(resp)
				}
				return c.printPreferences(resp.GetPreferences())
			})
		},
	}
	cmd.Flags().StringVar(&r.TimeZone, "time-zone", "", "where days and months begin, such as Europe/Paris; UTC without it")
	cmd.Flags().StringArrayVar(&rules, "rule", nil, "KIND=LIMIT, KIND=off, or KIND for the bank's own limit, once for each kind:\n"+strings.Join(ruleKinds(), ", "))
	cmd.Flags().StringVar(&r.IdempotencyKey, "key", "", "idempotency key; without it a new one")
	return cmd
}

// kindPrefix is what the names of all kinds begin with.
const kindPrefix = "ALERT_KIND_"

// ruleKinds returns how the kinds of rules are written here, in their order.
func ruleKinds() (kinds []string) {
	for n := int32(1); bankv1.AlertKind_name[n] != ""; n++ {
		kinds = append(kinds, sayKind(bankv1.AlertKind(n)))
	}
	return kinds
}

func sayKind(k bankv1.AlertKind) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(k.String(), kindPrefix), "_", "-"))
}

// parseRule reads a rule. Whether a limit may be so, the bank knows.
func parseRule(text string) (*bankv1.AlertRule, error) {
	name, value, given := strings.Cut(text, "=")
	kind := bankv1.AlertKind_value[kindPrefix+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))]
	if kind == 0 {
		return nil, fmt.Errorf("%w: --rule: %q is none of %s", errUsage, name, strings.Join(ruleKinds(), ", "))
	}
	rule := &bankv1.AlertRule{Kind: bankv1.AlertKind(kind), Off: value == "off"}
	if !given || rule.GetOff() {
		return rule, nil
	}
	var err error
	if rule.Limit, err = strconv.ParseInt(value, 10, 64); err != nil || rule.GetLimit() <= 0 {
		return nil, fmt.Errorf("%w: --rule: %q is no limit above 0, and not off", errUsage, value)
	}
	return rule, nil
}

// withProfiles runs fn with a client of the profiles.
func (c *cli) withProfiles(ctx context.Context, fn func(context.Context, bankv1.ProfilesServiceClient) error) error {
	conn, err := c.dial()
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return fn(ctx, bankv1.NewProfilesServiceClient(conn))
}

func (c *cli) printPreferences(p *bankv1.Preferences) error {
	t := c.table()
	fmt.Fprintln(t, "KIND\tWANTED\tLIMIT")
	for _, r := range p.GetRules() {
		wanted, limit := "yes", "the bank's own"
		if r.GetOff() {
			wanted, limit = "no", "-"
		} else if r.GetLimit() != 0 {
			limit = strconv.FormatInt(r.GetLimit(), 10)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", sayKind(r.GetKind()), wanted, limit)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	set := "never set"
	if p.GetSetAt() != nil {
		set = fmt.Sprintf("revision %d, set at %s", p.GetRevision(), when(p.GetSetAt().AsTime()))
	}
	_, err := fmt.Fprintf(c.stdout, "time zone %s; %s; what is not listed is the bank's own\n", cmp.Or(p.GetTimeZone(), "UTC"), set)
	return err
}
