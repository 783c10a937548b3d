package category

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"strings"
	"sync"
)

var (
	//go:embed mcc.csv
	codeTable string
	//go:embed words.csv
	wordTable string
)

// span is the category of the codes from one to another, both included.
type span struct {
	from, to int
	is       Category
}

// spans returns the categories of all codes, in order. What lies in none is Other. The spans follow the
// ranges of ISO 18245; where one of them holds trades of several kinds it is split.
func spans() []span {
	return []span{
		{742, 742, ChildrenAndPets}, {763, 780, Home}, {1500, 1799, Home}, {2700, 2799, Business}, {2842, 2842, Home},
		{3000, 3999, Travel},
		{4011, 4112, Transport}, {4119, 4119, Health}, {4121, 4131, Transport}, {4214, 4225, Services},
		{4411, 4468, Travel}, {4511, 4582, Travel}, {4722, 4723, Travel}, {4784, 4789, Transport},
		{4812, 4821, Telecoms}, {4829, 4829, Finance}, {4899, 4899, Telecoms}, {4900, 4900, Utilities},
		{5013, 5013, Vehicles}, {5021, 5111, Business}, {5122, 5122, Health}, {5131, 5139, Clothing},
		{5169, 5169, Business}, {5172, 5172, Fuel}, {5192, 5192, Shopping}, {5193, 5193, Home}, {5198, 5198, Home}, {5199, 5199, Business},
		{5200, 5271, Home}, {5300, 5300, Groceries}, {5309, 5399, Shopping}, {5411, 5499, Groceries},
		{5511, 5533, Vehicles}, {5541, 5542, Fuel}, {5551, 5599, Vehicles}, {5611, 5699, Clothing},
		{5712, 5722, Home}, {5732, 5735, Shopping}, {5811, 5814, Restaurants}, {5815, 5818, Entertainment},
		{5832, 5832, Shopping}, {5912, 5912, Health}, {5921, 5921, Groceries}, {5931, 5959, Shopping},
		{5960, 5960, Insurance}, {5961, 5961, Shopping}, {5962, 5962, Travel}, {5963, 5974, Shopping},
		{5975, 5976, Health}, {5977, 5977, PersonalCare}, {5978, 5978, Business}, {5983, 5983, Utilities},
		{5992, 5994, Shopping}, {5995, 5995, ChildrenAndPets}, {5996, 5996, Home}, {5997, 5997, PersonalCare}, {5998, 5999, Shopping},
		{6010, 6011, Withdrawals}, {6012, 6211, Finance}, {6300, 6399, Insurance}, {6513, 6513, Home},
		{7011, 7033, Travel}, {7210, 7217, Home}, {7221, 7221, Services}, {7230, 7230, PersonalCare}, {7251, 7251, Clothing},
		{7261, 7278, Services}, {7296, 7296, Clothing}, {7297, 7298, PersonalCare}, {7299, 7299, Services},
		{7311, 7399, Business}, {7511, 7519, Travel}, {7523, 7523, Transport}, {7531, 7549, Vehicles}, {7622, 7699, Home},
		{7800, 7996, Entertainment}, {7997, 7997, Memberships}, {7998, 7999, Entertainment},
		{8011, 8099, Health}, {8111, 8111, Services}, {8211, 8299, Education}, {8351, 8351, ChildrenAndPets},
		{8398, 8699, Memberships}, {8734, 8999, Services}, {9211, 9405, Government},
	}
}

// size is how many codes of four digits there are.
const size = 10_000

// codes are the categories by code.
var codes = sync.OnceValue(func() *[size]Category {
	var out [size]Category
	for _, s := range spans() {
		for n := s.from; n <= s.to; n++ {
			out[n] = s.is
		}
	}
	return &out
})

// registered tells which codes the table has.
var registered = sync.OnceValue(func() *[size]bool {
	var out [size]bool
	for _, row := range read(codeTable) {
		n, ok := number(row[0])
		if !ok {
			panic(fmt.Sprintf("table of merchant category codes: %q is no code", row[0]))
		}
		out[n] = true
	}
	return &out
})

// translations are the categories by words of a source.
var translations = sync.OnceValue(func() map[string]Category {
	out := make(map[string]Category)
	for _, row := range read(wordTable) {
		c, ok := Named(row[1])
		if !ok {
			panic(fmt.Sprintf("table of words: %q is no category", row[1]))
		}
		out[row[0]] = c
	}
	for c := range Count {
		out[c.String()] = c
	}
	return out
})

// read returns the rows of a table below its header. A table that cannot be read is a programmer's mistake.
func read(table string) [][]string {
	rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
	if err != nil || len(rows) == 0 {
		panic(fmt.Sprintf("table of %d rows: %v", len(rows), err))
	}
	return rows[1:]
}
