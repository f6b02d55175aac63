package service

import (
	"net/http"

	"github.com/google/uuid"
	"go.etcd.io/bbolt"

	"exactmatch.dev/operator/internal/edm"
)

const maxDescription = 1024

func (s *Service) listAgents(r *http.Request) (*answer, error) {
	agents, err := s.db.allAgents()
	if err != nil {
		return nil, err
	}
	return page(r, agents)
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
	made, err := create(s.db, agentsBucket, createRequest{replayOf(r), id, now}, func(tx *bbolt.Tx) (*edm.UploadAgent, error) {
		if err := refuseMore(tx, agentsBucket, s.config.MaxUploadAgents, "upload agents", "--max-upload-agents"); err != nil {
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
	agent, err := read[edm.UploadAgent](s.db.db, agentsBucket, r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return selected(r, agent)
}

func (s *Service) updateAgent(r *http.Request) (*answer, error) {
	var wanted edm.UploadAgent
	if err := decode(r, &wanted); err != nil {
		return nil, err
	}
	agent, err := change(s.db, agentsBucket, r.PathValue("id"), func(_ *bbolt.Tx, a *edm.UploadAgent) error {
		a.Description = wanted.Description
		return checkDescription(a.Description)
	})
	if err != nil {
		return nil, err
	}
	return ok(agent)
}

func (s *Service) deleteAgent(r *http.Request) (*answer, error) {
	id := r.PathValue("id")
	err := s.db.update(func(tx *bbolt.Tx) error {
		if tx.Bucket(agentsBucket).Get([]byte(id)) == nil {
			return notFound(string(agentsBucket), id)
		}
		return remove(tx, agentsBucket, []byte(id))
	})
	if err != nil {
		return nil, err
	}
	return noContent()
}

// selected answers one item with the options that an item takes.
func selected(r *http.Request, one any) (*answer, error) {
	o, err := optionsOf(r)
	if err != nil {
		return nil, err
	}
	if len(o.selected) == 0 {
		return &answer{http.StatusOK, one}, nil
	}
	entity, err := asMap(one)
	if err != nil {
		return nil, err
	}
	return ok(o.project(entity))
}
