package main

import (
	"bufio"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/refold/refold/ops/node"
)

func (c *cli) reset() *cobra.Command {
	return &cobra.Command{
		Use:   "reset",
		Short: "Remove the data folder, with every fact in it, after a typed confirmation",
		Args:  args(0),
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintf(c.stderr, "This removes %s with every fact in it, for ever. Type the name of the folder to go on: ", c.data)
			line, _ := bufio.NewReader(c.stdin).ReadString('\n')
			if strings.TrimSpace(line) != c.data {
				return fmt.Errorf("%w: nothing was removed: the name was not typed", errUsage)
			}
			if err := node.Reset(c.data); err != nil {
				return err
			}
			fmt.Fprintf(c.stderr, "%s is removed\n", c.data)
			return nil
		},
	}
}
