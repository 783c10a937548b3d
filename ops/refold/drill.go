package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/refold/refold/schemas/api/refoldv1"
)

func (c *cli) drill() *cobra.Command {
	return &cobra.Command{
		Use:   "drill PROJECTION",
		Short: "Fold some keys of the live rows anew now, as is done every day, and compare",
		Args:  args(1),
		RunE: func(cmd *cobra.Command, a []string) error {
			return c.withControl(func(control refoldv1.ControlServiceClient) error {
				d, err := control.Drill(cmd.Context(), &refoldv1.DrillRequest{Projection: a[0]})
				if err != nil {
					return err
				}
				if c.json {
					if err := c.printProto(d); err != nil {
						return err
					}
				} else {
					c.describeDrill(a[0], d)
				}
				if d.GetAlarm() != "" {
					return fmt.Errorf("%w: %s", errNotAllWell, d.GetAlarm())
				}
				return nil
			})
		},
	}
}

func (c *cli) describeDrill(projection string, d *refoldv1.DrillResult) {
	if d.GetKeys() == 0 {
		fmt.Fprintf(c.stdout, "%s: nothing was folded anew: it has no rows yet, or none that the events of a single key make\n", projection)
		return
	}
	fmt.Fprintf(c.stdout, "%s: %d keys were folded anew, %d of their rows have drifted\n", projection, d.GetKeys(), len(d.GetDrifted()))
	for _, row := range d.GetDrifted() {
		fmt.Fprintf(c.stdout, "  %s\n", row)
	}
}
