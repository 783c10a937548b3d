package main

import (
	"crypto/ed25519"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/refold/refold/projections/certificate"
	"github.com/refold/refold/schemas/api/refoldv1"
)

func (c *cli) certificate() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "certificate",
		Short: "Show or verify the signed proof that a promoted replay leaves behind",
		Args:  args(0),
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	show := &cobra.Command{
		Use:   "show OPERATION",
		Short: "Print the certificate of a replay that was promoted, such as spending-2",
		Args:  args(1),
		RunE: func(cmd *cobra.Command, a []string) error {
			return c.withControl(func(control refoldv1.ControlServiceClient) error {
				resp, err := control.GetCertificate(cmd.Context(), &refoldv1.GetCertificateRequest{Id: a[0]})
				if err != nil {
					return err
				}
				_, err = io.WriteString(c.stdout, resp.GetDocument())
				return err
			})
		},
	}
	var key string
	verify := &cobra.Command{
		Use:   "verify FILE",
		Short: "Check that a certificate is what was signed, without a running refold",
		Args:  args(1),
		RunE:  func(_ *cobra.Command, a []string) error { return c.verifyCertificate(a[0], key) },
	}
	verify.Flags().StringVar(&key, "key", "", "the public key that must have signed it, in base64; without it, see whose it is")
	cmd.AddCommand(show, verify)
	return cmd
}

// verifyCertificate checks a file; one that is not what was signed is not all well.
func (c *cli) verifyCertificate(file, key string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("verify certificate: %w", err)
	}
	if !certificate.Is(b) {
		return fmt.Errorf("%w: %s is no certificate, such as `refold certificate show` prints", errUsage, file)
	}
	doc, by, err := certificate.Verify(b)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotAllWell, err)
	}
	if key != "" && key != certificate.Text(by) {
		return fmt.Errorf("%w: it is signed by %s", errNotAllWell, certificate.Text(by))
	}
	if c.json {
		return c.printJSON(doc)
	}
	return c.describeCertificate(doc, by)
}

func (c *cli) describeCertificate(doc certificate.Certificate, by ed25519.PublicKey) error {
	fmt.Fprintf(c.stdout, "the certificate is what was signed by %s\n", certificate.Text(by))
	t := c.table()
	for _, line := range [][2]string{
		{"replay", fmt.Sprintf("%s, version %d, fold %s", doc.Operation, doc.Version, doc.FoldHash)},
		{"rows", fmt.Sprintf("%d, of which %d differed from generation %d; digest %s", doc.Rows, doc.Differences, doc.Compared, doc.Digest)},
		{"started", act(doc.Started)}, {"compared", act(doc.Verified)}, {"promoted", act(doc.Promoted)},
	} {
		fmt.Fprintf(t, "%s\t%s\n", line[0], line[1])
	}
	fmt.Fprintln(t, "\nPARTITION\tFROM\tTO\tLAST RECORD\tITS HASH")
	for _, in := range doc.Inputs {
		fmt.Fprintf(t, "%s/%d\t%d\t%d\t%d\t%.16s\n", in.Topic, in.Partition, in.From, in.To, in.HeadOffset, in.Head)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}

func act(a certificate.Act) string {
	out := fmt.Sprintf("%s by %s, built from %s", a.At.Format(time.RFC3339), a.Principal, a.Build)
	if a.Forced {
		out += ", forced"
	}
	if a.Reason != "" {
		out += ": " + a.Reason
	}
	return out
}
