-- The health of an object of exactmatch.dev, as kstatus judges it. Of what needs a
-- person, only what waits for a decision is Suspended; the rest is Degraded.
local health = {status = "Progressing", message = "the operator has not seen this generation yet"}
if obj.status == nil or obj.status.conditions == nil then
  return health
end
local by = {}
for _, condition in ipairs(obj.status.conditions) do
  by[condition.type] = condition
end
local function is(kind, status)
  return by[kind] ~= nil and by[kind].status == status
end
local function says(kind)
  return by[kind].reason .. ": " .. by[kind].message
end
if obj.metadata.deletionTimestamp ~= nil then
  health.message = "it is being deleted"
  if by["Finished"] ~= nil then
    health.message = says("Finished")
  end
  return health
end
if obj.status.observedGeneration ~= obj.metadata.generation then
  return health
end
if is("Stalled", "True") then
  health.status = "Degraded"
  if by["Stalled"].reason == "Held" then
    health.status = "Suspended"
  end
  health.message = says("Stalled")
elseif is("Suspended", "True") then
  health.status = "Suspended"
  health.message = says("Suspended")
elseif is("Reconciling", "True") then
  health.message = says("Reconciling")
elseif is("Ready", "True") then
  health.status = "Healthy"
  health.message = says("Ready")
  if is("Live", "False") or is("Live", "Unknown") then
    health.message = health.message .. "; not live: " .. says("Live")
  end
elseif is("Ready", "False") then
  health.status = "Degraded"
  health.message = says("Ready")
end
return health
