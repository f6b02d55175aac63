package service

import (
	"cmp"
	"net/http"

	"github.com/google/uuid"

	"exactmatch.dev/operator/internal/edm"
	"exactmatch.dev/operator/internal/service/records"
)

func (s *Service) listAgents(r *http.Request) (*answer, error) {
	agents, err := records.List(r.Context(), s.recordsOf(r), records.Tx.Agents)
	if err != nil {
		return nil, err
	}
	return page(s, r, agents)
}

func (s *Service) createAgent(r *http.Request) (*answer, error) {
	var wanted edm.UploadAgent
	if err := decode(r, &wanted); err != nil {
		return nil, err
	}
	if err := checkDescription(wanted.Description); err != nil {
		return nil, err
	}
	now, id := s.now(), uuid.NewString()
	made, err := records.Create(r.Context(), s.recordsOf(r), records.Tx.Agents, requestOf(r, records.KindAgent, id, now), func(tx records.Tx) (*edm.UploadAgent, error) {
		if err := refuseMore(tx.Agents(), s.config.MaxUploadAgents, "upload agents", "--max-upload-agents"); err != nil {
			return nil, err
		}
		return &edm.UploadAgent{ODataType: edm.TypeUploadAgent, ID: id, Description: wanted.Description, CreationDateTime: &now}, nil
	})
	if err != nil {
		return nil, err
	}
	return created(made)
}

func (s *Service) getAgent(r *http.Request) (*answer, error) {
	agent, err := records.Get(r.Context(), s.recordsOf(r), records.Tx.Agents, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return selected(s, r, agent)
}

func (s *Service) updateAgent(r *http.Request) (*answer, error) {
	var wanted struct {
		Description patched[string] `json:"description"`
	}
	if err := decodeAs(r, &wanted, &edm.UploadAgent{}); err != nil {
		return nil, err
	}
	agent, err := records.Change(r.Context(), s.recordsOf(r), records.Tx.Agents, r.PathValue("id"), func(_ records.Tx, a *edm.UploadAgent) error {
		judged := judge(r, func() any { return a })
		wanted.Description.into(&a.Description)
		return cmp.Or(checkDescription(a.Description), judged.check())
	})
	if err != nil {
		return nil, err
	}
	return ok(agent)
}

func (s *Service) deleteAgent(r *http.Request) (*answer, error) {
	id := r.PathValue("id")
	err := s.recordsOf(r).Update(r.Context(), func(tx records.Tx) error {
		agent, err := tx.Agents().Get(id)
		if err != nil {
			return err
		}
		if err := cmp.Or(refuseUsed(tx, id), judge(r, func() any { return agent }).check()); err != nil {
			return err
		}
		return tx.Agents().Delete(id)
	})
	if err != nil {
		return nil, err
	}
	return noContent()
}

// refuseUsed keeps an upload agent as long as a session that has not ended is its.
func refuseUsed(tx records.Tx, agent string) error {
	all, err := tx.Sessions().List()
	if err != nil {
		return err
	}
	used := 0
	for _, one := range all {
		if one.UploadAgentID == agent && !one.State.Ended() {
			used++
		}
	}
	switch used {
	case 0:
		return nil
	case 1:
		return fail(http.StatusConflict, edm.CodeConflict, "1 session that has not ended names the upload agent: cancel it or wait for its end first")
	}
	return fail(http.StatusConflict, edm.CodeConflict, "%d sessions that have not ended name the upload agent: cancel them or wait for their ends first", used)
}
