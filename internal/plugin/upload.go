package plugin

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"exactmatch.dev/operator/api/v1alpha1"
	"exactmatch.dev/operator/internal/check"
	"exactmatch.dev/operator/internal/convert"
)

var uploadLong = `Make a session that uploads a table, and follow it.

The operator reads the table, so it has to be where the operator can read it: give a URI (https, s3,
gs or azblob, with --credentials-secret where it needs one). The table of a URI is not checked first.

A FILE of this machine is checked first, as by kubectl exactmatch check, and then stored in a ConfigMap,
which --in-configmap allows: the cells lie there unhashed, and those who may read ConfigMaps in the
namespace (ClusterRole view) can read them, until the session is deleted, which deletes it too. A
ConfigMap holds at most 1 MiB; a larger file is compressed. For larger tables use a bucket, or a
session with a PersistentVolumeClaim.

The session stops before the commit, so that somebody approves it, unless --commit is given.
Interrupting the command (Ctrl-C) stops following; the session continues.` + fmt.Sprintf(exitCodes,
	"the table is uploaded, or live with --commit",
	"the table is refused, or the session needs somebody")

const uploadExample = `  kubectl exactmatch upload s3://exports/patients.csv --store patients --credentials-secret s3
  kubectl exactmatch upload staff.csv --store staff --in-configmap --commit`

// uploadFlags are those of upload.
type uploadFlags struct {
	checkFlags
	name, secret        string
	commit, inConfigMap bool
	timeout             time.Duration
}

func uploadCommand(of *cluster) *cobra.Command {
	f := &uploadFlags{checkFlags: checkFlags{cluster: of}}
	c := &cobra.Command{
		Use: "upload FILE|URI", Short: "Make a session that uploads a table, and follow it", Long: uploadLong, Example: uploadExample, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			f.table.File = args[0]
			return f.run(c.Context(), c.OutOrStdout())
		},
	}
	set := c.Flags()
	set.StringVar(&f.store, "store", "", "name of the ExactMatchDataStore (required)")
	set.StringVar(&f.name, "name", "", "name of the session; default: the store's name and the time")
	set.StringVar(&f.secret, "credentials-secret", "", "name of the Secret with the credentials of the source")
	set.BoolVar(&f.commit, "commit", false, "publish the table without an approval")
	set.BoolVar(&f.inConfigMap, "in-configmap", false, "store the cells of a FILE unhashed in a ConfigMap")
	set.DurationVar(&f.timeout, "timeout", 0, "end with an error after this time; 0 waits for as long as it takes")
	f.addTableTo(c)
	_ = c.MarkFlagRequired("store") // the flag is there
	_ = c.RegisterFlagCompletionFunc("store", of.completeStores)
	return c
}

func (f *uploadFlags) run(ctx context.Context, out io.Writer) error {
	if err := checkFormat(f.table.Format); err != nil {
		return err
	}
	kube, namespace, err := f.open()
	if err != nil {
		return err
	}
	store := &v1alpha1.ExactMatchDataStore{}
	if err := kube.Get(ctx, client.ObjectKey{Namespace: namespace, Name: f.store}, store); err != nil {
		return explained(err)
	}
	made := f.session(namespace, time.Now())
	if isURI(f.table.File) {
		made.Spec.Source.URI = f.table.File
		err = kube.Create(ctx, made, client.FieldOwner(fieldManager))
	} else {
		err = f.fromFile(ctx, kube, store, made, out)
	}
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(out, "exactmatchsession.exactmatch.dev/%s created\n", made.Name); err != nil {
		return err
	}
	watch := &statusFlags{cluster: f.cluster, timeout: f.timeout}
	return watch.follow(ctx, out, &following{kube: kube, namespace: namespace, name: made.Name, to: watch.follower(out)})
}

// isURI reports whether the argument is where the operator reads, and not a file here.
func isURI(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != "" && len(u.Scheme) > 1
}

// session is the session as the flags say, without its source.
func (f *uploadFlags) session(namespace string, now time.Time) *v1alpha1.ExactMatchSession {
	t := f.table
	o := &v1alpha1.ExactMatchSession{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: cmp.Or(f.name, f.store+"-"+now.UTC().Format("20060102-150405")),
	}}
	o.Spec = v1alpha1.ExactMatchSessionSpec{
		DataStoreRef: v1alpha1.LocalReference{Name: f.store}, DesiredState: v1alpha1.DesiredUploaded, Checksum: t.Pin, Fields: t.Fields,
		RowsPerBlock: int32(t.RowsPerBlock), BadRows: v1alpha1.BadRowsAllowance{MaxPercent: int32(t.BadRows.MaxPercent), MinSample: int32(t.BadRows.MinSample)},
	}
	if f.commit {
		o.Spec.DesiredState = v1alpha1.DesiredCommitted
	}
	if f.secret != "" {
		o.Spec.Source.CredentialsSecretRef = &v1alpha1.LocalReference{Name: f.secret}
	}
	o.Spec.Source.Format = convert.SpecFormat(t.Format)
	return o
}

// tableKey is the key of the ConfigMap.
const tableKey = "table"

// fromFile checks the file, stores it and creates the session, which owns what is
// stored.
func (f *uploadFlags) fromFile(ctx context.Context, kube client.Client, store *v1alpha1.ExactMatchDataStore, made *v1alpha1.ExactMatchSession, out io.Writer) error {
	if !f.inConfigMap {
		return errors.New("the operator cannot read files of this machine: give the URI of a table in a bucket or at a server, or allow a small one to be stored unhashed in a ConfigMap with --in-configmap")
	}
	if info, err := os.Stat(f.table.File); err != nil {
		return err
	} else if info.Size() > mostRead {
		return tooLarge(f.table.File)
	}
	f.table.Columns, f.table.Guards = convert.Columns(store), guardsOf(store)
	report, err := check.Run(ctx, f.table)
	if err != nil {
		return err
	}
	if !report.Accepted() {
		return errors.Join(writeReport(out, report), &noError{"the table would be refused or held: nothing was uploaded"})
	}
	stored, err := f.stored(report.Checksum)
	if err != nil {
		return err
	}
	made.Spec.FileName = fileNameOf(f.table.File)
	made.Spec.Checksum = checksumOf(stored)
	made.Spec.Source.ConfigMapKeyRef = &v1alpha1.KeyReference{Name: made.Name + "-table", Key: tableKey}
	return create(ctx, kube, made, stored)
}

// create stores the table and creates the session, which owns what is stored: the
// table goes with it.
func create(ctx context.Context, kube client.Client, made *v1alpha1.ExactMatchSession, stored []byte) error {
	table := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: made.Namespace, Name: made.Spec.Source.ConfigMapKeyRef.Name},
		Immutable:  new(true), BinaryData: map[string][]byte{tableKey: stored},
	}
	if err := kube.Create(ctx, table, client.FieldOwner(fieldManager)); err != nil {
		return fmt.Errorf("store the table in ConfigMap %q: %w", table.Name, err)
	}
	if err := kube.Create(ctx, made, client.FieldOwner(fieldManager)); err != nil {
		return errors.Join(err, kube.Delete(ctx, table))
	}
	before := client.MergeFrom(table.DeepCopy())
	table.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(made, v1alpha1.GroupVersion.WithKind("ExactMatchSession"))}
	if err := kube.Patch(ctx, table, before, client.FieldOwner(fieldManager)); err != nil {
		return fmt.Errorf("make session %q the owner of ConfigMap %q, which holds the table unhashed (delete it once the session is finished): %w", made.Name, table.Name, err)
	}
	return nil
}

// mostStored leaves room for the rest of a ConfigMap in its 1 MiB.
const mostStored = 1000 << 10

// mostRead is beyond what compresses to a ConfigMap.
const mostRead = 64 << 20

// tooLarge says what to do with a table that no ConfigMap holds.
func tooLarge(file string) error {
	return fmt.Errorf("%s does not fit into a ConfigMap (%d bytes, compressed): put the table into a bucket and give its URI, or make a session with a PersistentVolumeClaim", file, mostStored)
}

// stored are the bytes of the file that was checked, compressed where they are too
// many.
func (f *uploadFlags) stored(checksum string) ([]byte, error) {
	text, err := os.ReadFile(f.table.File)
	if err != nil {
		return nil, err
	}
	if checksumOf(text) != checksum {
		return nil, fmt.Errorf("%s changed while it was read: try again", f.table.File)
	}
	if len(text) > mostStored && f.table.Format.Compression == "Auto" {
		if text, err = compressed(text); err != nil {
			return nil, err
		}
	}
	if len(text) > mostStored {
		return nil, tooLarge(f.table.File)
	}
	return text, nil
}

func compressed(text []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// checksumOf is what spec.checksum pins.
func checksumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// notInFileNames is what the service does not take in a fileName.
var notInFileNames = regexp.MustCompile(`[^A-Za-z0-9._ -]`)

// fileNameOf is the name of the table as the service shows it.
func fileNameOf(file string) string {
	name := notInFileNames.ReplaceAllString(path.Base(filepath.ToSlash(file)), "_")
	return name[:min(len(name), 128)]
}
