package service

import (
	"cmp"
	"context"
	"crypto/md5" //nolint:gosec // the protocol's transfer check, not a secret's
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"io"
	"net/http"

	"github.com/google/uuid"

	"exactmatch.dev/operator/internal/block"
	"exactmatch.dev/operator/internal/service/records"
)

// blob is the upload URI: as much of Azure Block Blob as an upload needs, under
// the names and errors of its protocol.
func (s *Service) blob(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("x-ms-version", sasVersion)
	c := &call{request: cmp.Or(plain(r.Header.Get("x-ms-client-request-id")), uuid.NewString()), id: uuid.NewString()}
	r = r.WithContext(c.in(r.Context()))
	w.Header().Set("x-ms-request-id", c.id)
	if own := plain(r.Header.Get("x-ms-client-request-id")); own != "" {
		w.Header().Set("x-ms-client-request-id", own)
	}
	err := s.signed(r)
	if err != nil {
		w.Header().Set("Connection", "close")
		readOut(r.Body, maxRequestBody)
	} else if err = s.blobCall(w, r); err != nil {
		s.readRest(w, r, err)
	}
	if err == nil {
		return
	}
	s.boundAnswer(w)
	s.metrics.refusal(c, r, err)
	f := s.failureOf(s.log(r.Context()), err, "session", r.PathValue("session"))
	s.log(r.Context()).Info("call", "method", r.Method, "path", r.URL.Path, "status", f.status, "code", f.code)
	w.Header().Set("x-ms-error-code", f.code)
	f.setHeader(w.Header())
	writeXML(w, f.status, struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
		Message string
	}{Code: f.code, Message: f.message})
}

// readRest reads what is left of an upload that is refused, unless it was refused
// for its slowness.
func (s *Service) readRest(w http.ResponseWriter, r *http.Request, refused error) {
	var f *failure
	if errors.As(refused, &f) && f.status == http.StatusRequestTimeout {
		w.Header().Set("Connection", "close")
		return
	}
	readOut(s.paced(w, r.Body), block.MaxSize)
}

// signed refuses a request whose URI we did not sign. The caller of any other was
// given one, even where it has expired.
func (s *Service) signed(r *http.Request) error {
	if !s.ours(r, r.PathValue("tenant"), r.PathValue("session")) {
		return notPermitted()
	}
	s.gate.proven(r)
	return nil
}

func notPermitted() *failure {
	return fail(http.StatusForbidden, "AuthenticationFailed", "the signature is not valid, has expired, or does not permit the operation")
}

// blobCall finds out which operation is meant.
func (s *Service) blobCall(w http.ResponseWriter, r *http.Request) error {
	permission, known := map[string]string{http.MethodPut: "w", http.MethodGet: "r", http.MethodHead: "r"}[r.Method]
	if !s.permitted(r, cmp.Or(permission, "r")) {
		return notPermitted()
	}
	if !known {
		return unsupportedVerb(r.Method)
	}
	if err := errors.Join(checkPlain(r), checkSupported(r)); err != nil {
		return err
	}
	one, err := s.uploading(r)
	if err != nil {
		return err
	}
	if r.Method != http.MethodPut {
		return s.readCall(w, r, one)
	}
	switch comp := r.URL.Query().Get("comp"); {
	case comp != "" && comp != "block" && comp != "blocklist":
		return noSuchComp()
	case comp == "":
		return fail(http.StatusBadRequest, "MissingRequiredQueryParameter", "a blob is not taken whole: stage its blocks by comp=block and put their list by comp=blocklist")
	case !one.Unfinished():
		return fail(http.StatusConflict, "BlobImmutableDueToPolicy", "a session in state %s takes no blocks", one.State)
	case comp == "block":
		return s.putBlock(w, r, one)
	}
	return s.putBlockList(w, r, one)
}

// readCall answers what reads a blob.
func (s *Service) readCall(w http.ResponseWriter, r *http.Request, one *records.Session) error {
	comp := r.URL.Query().Get("comp")
	switch {
	case r.Method == http.MethodHead && comp == "":
		return s.getProperties(w, r, one)
	case r.Method == http.MethodHead || comp != "" && comp != "blocklist":
		return noSuchComp()
	case comp == "":
		return fail(http.StatusBadRequest, "MissingRequiredQueryParameter", "a blob is not read back; comp=blocklist lists its blocks")
	}
	release, err := s.room(r, one, listMemory)
	if err != nil {
		return err
	}
	defer release()
	s.boundAnswer(w)
	return s.getBlockList(w, one, r.URL.Query().Get("blocklisttype"))
}

// putBlock stages one block; the answer means that it is synced.
func (s *Service) putBlock(w http.ResponseWriter, r *http.Request, one *records.Session) error {
	id := r.URL.Query().Get("blockid")
	index, _, err := block.ParseID(id)
	if err != nil || index >= int(*one.TotalBlockCount) {
		return fail(http.StatusBadRequest, "InvalidQueryParameterValue", "blockid must name a block of this session")
	}
	if err := errors.Join(checkBlockSize(r.ContentLength), s.checkStaged(one.ID, id)); err != nil {
		return err
	}
	if err := s.checkSpace(r.Context(), one, r.ContentLength); err != nil {
		return err
	}
	body, err := s.receive(w, r, one, r.ContentLength)
	if err != nil {
		return err
	}
	defer body.release()
	data := make([]byte, r.ContentLength)
	if _, err := io.ReadFull(body, data); err != nil {
		return s.cutOff(err)
	}
	sum, err := checkTransfer(r, data)
	if err != nil {
		return err
	}
	if err := s.checkBlock(r.Context(), one, index, data); err != nil {
		return err
	}
	if err := s.blocks.Put(r.Context(), one.ID, id, data); err != nil {
		return err
	}
	if err := s.stillTakes(r.Context(), one); err != nil {
		return err
	}
	s.logIn(r.Context(), one.Tenant).Info("block staged", "session", one.ID, "block", index, "bytes", len(data))
	s.metrics.blocks.Inc()
	s.metrics.bytes.Add(float64(len(data)))
	w.Header().Set("x-ms-content-crc64", crcHeader(sum))
	w.Header().Set("x-ms-request-server-encrypted", "false")
	w.WriteHeader(http.StatusCreated)
	return nil
}

// checkBlock refuses a block that contradicts its session, whose indexing would
// fail for it once everything is uploaded.
func (s *Service) checkBlock(ctx context.Context, one *records.Session, index int, data []byte) error {
	store, err := records.Get(ctx, s.records.Of(one.Tenant), records.Tx.DataStores, one.DataStoreID)
	if err != nil {
		if records.IsNotFound(err) {
			return noContainer()
		}
		return err
	}
	header, err := block.DecodeHeader(data)
	if err != nil {
		return fail(http.StatusBadRequest, invalidBlockCode, "block %d: %s", index, err.Error())
	}
	if what := misfit(store, one, &header, index); what != "" {
		return fail(http.StatusBadRequest, invalidBlockCode, "block %d: %s", index, what)
	}
	return nil
}

// stillTakes looks again once a block is there: an end of the session meanwhile has
// dropped its other blocks, and not this one.
func (s *Service) stillTakes(ctx context.Context, of *records.Session) error {
	one, err := records.Get(ctx, s.records.Of(of.Tenant), records.Tx.Sessions, of.ID)
	switch {
	case records.IsNotFound(err):
		s.discardBlocks(ctx, of)
		return noContainer()
	case err != nil:
		return err
	case !one.Unfinished() && !one.Processing():
		s.discardBlocks(ctx, of)
		return fail(http.StatusConflict, "BlobImmutableDueToPolicy", "a session in state %s takes no blocks", one.State)
	}
	return nil
}

// checkTransfer compares the sums that the request carries with the bytes. The
// id's sum is compared too: it is what a resumed upload goes by.
func checkTransfer(r *http.Request, data []byte) (uint64, error) {
	sum, err := checkSums(r, data)
	if err != nil {
		return 0, err
	}
	if _, named, err := block.ParseID(r.URL.Query().Get("blockid")); err != nil || named != sum {
		return 0, fail(http.StatusBadRequest, "Crc64Mismatch", "the CRC64 of the body does not match the block id")
	}
	return sum, nil
}

// checkSums compares the sums in a request's headers with the bytes of its body.
func checkSums(r *http.Request, data []byte) (uint64, error) {
	sum := block.Sum(data)
	if want := r.Header.Get("x-ms-content-crc64"); want != "" && want != crcHeader(sum) {
		return 0, fail(http.StatusBadRequest, "Crc64Mismatch", "the CRC64 of the body does not match x-ms-content-crc64")
	}
	if want := r.Header.Get("Content-MD5"); want != "" {
		if got := md5.Sum(data); want != base64.StdEncoding.EncodeToString(got[:]) { //nolint:gosec // the protocol's transfer check
			return 0, fail(http.StatusBadRequest, "Md5Mismatch", "the MD5 of the body does not match Content-MD5")
		}
	}
	return sum, nil
}

func crcHeader(sum uint64) string {
	return base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint64(nil, sum))
}

func writeXML(w http.ResponseWriter, status int, body any) {
	text, err := xml.Marshal(body)
	if err != nil {
		status, text = http.StatusInternalServerError, nil
	}
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = w.Write(append([]byte(xml.Header), text...)) // the caller is gone where this fails
}
