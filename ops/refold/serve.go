package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/refold/refold/ops/config"
	"github.com/refold/refold/ops/node"
)

// settings are the flags of commands that take the settings of a node. Each flag is a setting of its own name in a file;
// see package config.
type settings struct {
	file string
	// keys are the settings that flags say, by the name of the flag.
	keys map[string]string
}

// settingsFlags are the flags that every command has that takes settings.
func settingsFlags(cmd *cobra.Command) *settings {
	s := &settings{keys: map[string]string{"kafka": "kafka.brokers", "partitions": "partitions", "rows": "rows.address", "data": "data", "log-level": "log_level"}}
	cmd.Flags().StringVar(&s.file, "config", "", "file of settings, in YAML; the environment ("+config.Prefix+"…) counts before it, and flags before that")
	cmd.Flags().String("kafka", "", "addresses of brokers, HOST:PORT,HOST:PORT")
	partitionsFlag(cmd, new(int32))
	rowsFlag(cmd, new(string))
	return s
}

// say makes a flag of a command be a setting.
func (s *settings) say(flag, key string) { s.keys[flag] = key }

// load returns the settings of file, environment and flags.
func (s *settings) load(cmd *cobra.Command) (*config.Effective, error) {
	flags := make(map[string]any)
	cmd.Flags().Visit(func(f *pflag.Flag) {
		key, ok := s.keys[f.Name]
		if !ok {
			return
		}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			flags[key] = list.GetSlice()
			return
		}
		flags[key] = f.Value.String()
	})
	e, err := config.Load(config.Sources{File: s.file, Environ: os.Environ(), Flags: flags})
	if err != nil {
		return nil, wrongSettings(err)
	}
	return e, nil
}

// wrongSettings says that the command was asked wrongly.
func wrongSettings(err error) error {
	if errors.Is(err, config.ErrSettings) {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return err
}

func (c *cli) serve() *cobra.Command {
	var s *settings
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run some roles as a process of its own, on a broker that runs elsewhere",
		Args:  args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e, err := s.load(cmd)
			if err == nil {
				err = wrongSettings(e.Check(time.Now()))
			}
			if err != nil {
				return err
			}
			cfg, err := e.Node()
			if err != nil {
				return err
			}
			c.data, c.level = e.Data, e.LogLevel
			limitMemory(nodeMemory(cfg.Roles, e.MemoryMB))
			return c.runNode(cmd.Context(), cfg, func(context.Context, *node.Node) {})
		},
	}
	s = settingsFlags(cmd)
	listenFlags(cmd, new(node.Addresses))
	rolesFlag(cmd, new([]string))
	memoryFlag(cmd, new(int64))
	retainFlag(cmd, new(time.Duration))
	cmd.Flags().String("advertise", "", "where other nodes reach this one's gRPC, HOST:PORT; where it listens, if it is not said")
	cmd.Flags().StringSlice("registry-url", nil, "where the schema registry is, for roles without one, such as http://127.0.0.1:8081")
	for flag, key := range map[string]string{
		"http": "listen.http", "grpc": "listen.grpc", "registry": "listen.registry", "operators": "listen.operators", "role": "roles",
		"memory": "memory_mb", "retain": "retain", "advertise": "advertise", "registry-url": "registry.urls",
	} {
		s.say(flag, key)
	}
	return cmd
}

// settings prints every setting as it counts.
func (c *cli) settings() *cobra.Command {
	var s *settings
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print every setting of serve as it counts, and where it is said",
		Args:  args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e, err := s.load(cmd)
			if err != nil {
				return err
			}
			if c.json {
				return c.printJSON(e.Settings())
			}
			t := c.table()
			for _, one := range e.Settings() {
				fmt.Fprintf(t, "%s\t%s\t%s\n", one.Key, strings.Trim(fmt.Sprint(one.Value), "[]"), one.Source)
			}
			return t.Flush()
		},
	}
	s = settingsFlags(cmd)
	return cmd
}

// migrate makes what serve needs outside of its data folder.
func (c *cli) migrate() *cobra.Command {
	var s *settings
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Make the topics and tables that are missing; safe to run again",
		Args:  args(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			e, err := s.load(cmd)
			if err == nil {
				err = wrongSettings(errors.Join(e.CheckKafka(time.Now()), e.CheckRows(time.Now())))
			}
			if err != nil {
				return err
			}
			cfg, err := e.Node()
			if err != nil {
				return err
			}
			if cfg.Logger, err = c.logger(); err != nil {
				return err
			}
			done, err := node.Migrate(cmd.Context(), cfg)
			for _, line := range done {
				fmt.Fprintln(c.stdout, line)
			}
			return err
		},
	}
	s = settingsFlags(cmd)
	return cmd
}
