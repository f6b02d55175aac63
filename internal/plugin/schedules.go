package plugin

import "exactmatch.dev/operator/api/v1alpha1"

// Commands of schedules.
const (
	schedulesCommand    = "kubectl get exactmatchschedules -n {namespace}"
	describeSchedules   = "kubectl describe exactmatchschedules -n {namespace}"
	editScheduleCommand = "kubectl edit exactmatchschedules -n {namespace}"
)

// scheduleAnswers has an answer for each reason that schedules alone show.
var scheduleAnswers = map[string]answer{
	v1alpha1.ReasonWaitingForRun:   noticed("the earlier run to finish", editor, "kubectl exactmatch status -n {namespace}", schedulesCommand),
	v1alpha1.ReasonWaitingForFile:  noticed("a newer version of the source", dataOwner, describeSchedules),
	v1alpha1.ReasonFileLate:        noticed("the next scheduled time, or a run at once by spec.runNow: the file did not come in time", dataOwner, describeSchedules, editScheduleCommand),
	v1alpha1.ReasonScheduleInvalid: noticed("spec.schedule or spec.timeZone to be corrected", editor, editScheduleCommand),
	v1alpha1.ReasonTemplateInvalid: noticed("spec.sessionTemplate to be corrected; the message names the field", editor, editScheduleCommand),
	v1alpha1.ReasonNameTaken:       noticed("the session that has the name of a run to be deleted", editor, "kubectl exactmatch status -n {namespace}", describeSchedules),

	v1alpha1.ReasonRunCreated:   noticed("nothing: a session was created", operator),
	v1alpha1.ReasonRunDeleted:   noticed("nothing: the history limits removed a session", operator),
	v1alpha1.ReasonRunReplaced:  noticed("nothing: a session was cancelled for a later one", operator),
	v1alpha1.ReasonRunMissed:    noticed("nothing, but scheduled times passed without a run", operator),
	v1alpha1.ReasonRunUnchanged: noticed("nothing: the source is that of the last good run", operator),
}
