package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagProblem says plainly what is wrong with a flag.
func flagProblem(_ *cobra.Command, err error) error {
	invalid, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	f := invalid.GetFlag()
	wanted := f.Value.Type()
	switch {
	case wanted == "bool":
		wanted = "true or false"
	case wanted == "duration":
		wanted = "a duration such as 90s or 24h"
	case strings.Contains(wanted, "int"):
		wanted = "a whole number, or is one too large"
	}
	return fmt.Errorf("%w: --%s: %q is not %s", errUsage, f.Name, invalid.GetValue(), wanted)
}

// checkFlags refuses values of flags that no command has a use for: none counts or lasts less than nothing, and
// where a list is given there is something in it.
func (c *cli) checkFlags(cmd *cobra.Command, _ []string) error {
	var problem error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		kind, value := f.Value.Type(), f.Value.String()
		switch {
		case (kind == "duration" || strings.HasPrefix(kind, "int")) && strings.HasPrefix(value, "-"):
			problem = fmt.Errorf("%w: --%s: %s is less than nothing", errUsage, f.Name, value)
		case kind == "stringSlice" && value == "[]":
			problem = fmt.Errorf("%w: --%s: there is nothing in it", errUsage, f.Name)
		}
	})
	if problem != nil {
		return problem
	}
	_, err := c.logger()
	return err
}
