package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"
)

var (
	firstNames = strings.Fields(`Amara Anna Björn Carlos Chloé Daniel Elena Emre Fatima Grace Hannah Hiroshi Ibrahim Ingrid
		Isabel James Jürgen Kwame Laura Leila Liam Lucía Maria Mateo Mei Mohammed Nadia Noah Olivia Omar Patrick Priya Ravi
		Rosa Samuel Sofia Søren Tomás Wei Yusuf Zoë`)
	lastNames = strings.Fields(`Adeyemi Andersson Bauer Brown Carter Chen Costa Dubois Eriksson Fernández Fischer García
		Haddad Hansen Ito Jansen Johnson Kaya Khan Kowalski Kumar Lee Lopez Martin Müller Nguyen Novák O'Brien Okafor Patel
		Pereira Rossi Sato Schmidt Silva Smith Suzuki Tanaka Thompson Wagner Williams Yılmaz Zhang`)
	streets = []string{"Alder Way", "Church Street", "Hauptstraße", "High Street", "Lake Drive", "Maple Avenue", "Oak Lane", "Rue de l'Église", "Station Road", "Via Roma"}
	towns   = []string{"Ashford", "Bergen", "Fairview", "Kingston", "Lyon", "Milton", "Nürnberg", "Riverside", "Salem", "Springfield"}
	header  = []string{"Patient ID", "SSN", "First Name", "Last Name", "Date of Birth", "Phone", "Email", "Address", "Ward"}
)

// patient is row n of the table, counted from 0: the same seed gives the same
// row, whichever is asked for.
func patient(n int) []string {
	r := rand.New(rand.NewPCG(20260301, uint64(n))) //nolint:gosec // a seeded table, not a secret
	first, last := firstNames[r.IntN(len(firstNames))], lastNames[r.IntN(len(lastNames))]
	born := time.Date(1930, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, r.IntN(34_000))
	return []string{
		fmt.Sprintf("P-%07d", n+1), socialSecurity(n),
		first, last, born.Format(time.DateOnly),
		fmt.Sprintf("+1 (%03d) 555-%04d", 200+r.IntN(700), r.IntN(10_000)),
		fmt.Sprintf("%s.%s.%d@example.com", strings.ToLower(first), strings.ToLower(last), n+1),
		fmt.Sprintf("%d %s, %s", 1+r.IntN(300), streets[r.IntN(len(streets))], towns[r.IntN(len(towns))]),
		fmt.Sprintf("Ward %q", string(rune('A'+r.IntN(8)))),
	}
}

// socialSecurities are the numbers that there are.
const socialSecurities = 100_000_000

// socialSecurity gives every row another number. Area numbers from 900 on are
// never issued, so none of them is anybody's.
func socialSecurity(n int) string {
	scattered := (uint64(n)*7_368_787 + 12_345) % socialSecurities // a bijection: the factor is odd and no multiple of 5
	return fmt.Sprintf("9%02d-%02d-%04d", scattered/1_000_000, scattered/10_000%100, scattered%10_000)
}

// writePatients writes a table of the given number of rows, until ctx ends.
func writePatients(ctx context.Context, path string, rows int) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	buffer := bufio.NewWriterSize(file, 1<<20)
	out := csv.NewWriter(buffer)
	if err := out.Write(header); err != nil {
		return err
	}
	for n := range rows {
		if n%4096 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := out.Write(patient(n)); err != nil {
			return err
		}
	}
	out.Flush()
	return errors.Join(out.Error(), buffer.Flush())
}
