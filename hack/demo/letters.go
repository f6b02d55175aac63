package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// letterAbout quotes a patient as a person would: the number with spaces, the name
// and the date of birth on other lines.
func letterAbout(p []string) string {
	return fmt.Sprintf(`Dear colleagues,

please send the bill of %s %s, born on
%s, to the new address. The number is %s.

Thank you!
`, p[2], strings.ToUpper(p[3]), p[4], strings.ReplaceAll(p[1], "-", " "))
}

// letterAboutNobody has names and dates of the table, and a number that is not in it.
func letterAboutNobody(a, b []string, number string) string {
	return fmt.Sprintf(`Dear %s %s,

nobody was born on %s, and %s is no number of ours.
`, a[2], b[3], a[4], number)
}

// found is the exit code of a scan that finds a record.
const found = 1

// readLetters scans a letter that quotes one patient, and one that quotes nobody.
func (d *demo) readLetters(ctx context.Context) error {
	row := d.rows * 2 / 3
	say("Scanning a letter that quotes the patient of row %d", row)
	out, err := d.scan(ctx, found, "letter.txt", letterAbout(patient(row)))
	if err != nil {
		return err
	}
	if want := fmt.Sprintf(": row %d of patients: SSN, FirstName, LastName, DateOfBirth\n", row); !strings.HasSuffix(out, want) || strings.Count(out, "\n") != 1 {
		return fmt.Errorf("the scan should have printed one line that ends with %q", want)
	}
	say("Scanning a letter that quotes nobody")
	out, err = d.scan(ctx, 0, "clean.txt", letterAboutNobody(patient(row), patient(d.rows/3), socialSecurity(d.rows)))
	if err == nil && out != "" {
		err = errors.New("the scan should have found nothing")
	}
	return err
}

// scan shows a letter, scans it and wants this exit code.
func (d *demo) scan(ctx context.Context, wanted int, name, letter string) (string, error) {
	if err := os.WriteFile(d.Path(name), []byte(letter), 0o600); err != nil {
		return "", err
	}
	fmt.Printf("$ cat %s\n%s$ exactmatch scan --store patients %s\n", name, letter, name)
	c := exec.CommandContext(ctx, d.Binary(), "scan", "--endpoint", d.Endpoint(), "--bearer-token-file", d.Token, //nolint:gosec // our own binary
		"--key-file", d.Path("patients.key"), "--store", "patients", name)
	c.Dir, c.Stderr = d.Path(""), os.Stderr
	out, err := c.Output()
	fmt.Print(string(out))
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return "", err
	}
	code := c.ProcessState.ExitCode()
	fmt.Printf("exit code %d\n", code)
	if code != wanted {
		return "", fmt.Errorf("the scan should have exited with %d, not %d", wanted, code)
	}
	return string(out), nil
}
