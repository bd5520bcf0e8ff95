package health

import "time"

// The conditions the agent knows. The subject is the target, the hook or the objective concerned, and
// "" where there is only one.
const (
	Starting         Name = "starting"
	Stopping         Name = "stopping"
	StoreFailing     Name = "store_failing"
	AuditNotWritable Name = "audit_not_writable"
	EvaluationLate   Name = "evaluation_late"
	ReloadFailed     Name = "reload_failed"
	TargetDown       Name = "target_down"
	TargetSlow       Name = "target_slow"
	ScrapeOverrun    Name = "scrape_overrun"
	Mismeasured      Name = "objective_mismeasured"
	HookFailing      Name = "hook_failing"
	HookBreakerOpen  Name = "hook_breaker_open"
	SourceFailing    Name = "source_failing"
	CalendarEnds     Name = "calendar_ends"
	MovementsDamaged Name = "movements_damaged"
	DeployedDrifted  Name = "deployed_drifted"
	DriftUnchecked   Name = "drift_unchecked"
)

// Conditions is the table of everything the agent watches in itself.
func Conditions() []Condition {
	return []Condition{
		{Name: Starting, Severity: Warning, NotReady: true, TimeToVisible: 0,
			Advice: "Wait until the store is read and the first evaluation is done."},
		{Name: Stopping, Severity: Warning, NotReady: true,
			Advice: "Nothing: the agent was told to stop and finishes what it began."},
		{Name: StoreFailing, Severity: Error, TimeToVisible: 10 * time.Second,
			Advice: "Check free space and permissions under storage.path; windows are kept in memory until it can be written again."},
		{Name: AuditNotWritable, Severity: Error,
			Advice: "Check free space and permissions of audit.path; no action runs until it can be written again."},
		{Name: EvaluationLate, Severity: Error, NotReady: true, DependsOn: []Name{Starting, Stopping}, TimeToVisible: 15 * time.Second,
			Advice: "Give the agent more CPU or split its objectives over several agents."},
		{Name: ReloadFailed, Severity: Error,
			Advice: "Correct the file and reload; until then the agent runs on with what it had."},
		{Name: TargetDown, Severity: Warning, DependsOn: []Name{Stopping}, TimeToVisible: 15 * time.Second,
			Advice: "Check that the target runs and that the agent can reach it."},
		{Name: TargetSlow, Severity: Warning, DependsOn: []Name{TargetDown}, TimeToVisible: time.Minute,
			Advice: "Raise scrape_interval and scrape_timeout for this target, or find out why it answers slowly."},
		{Name: ScrapeOverrun, Severity: Warning, DependsOn: []Name{TargetDown, TargetSlow}, TimeToVisible: time.Minute,
			Advice: "Raise scrape_interval, or give the agent more CPU: looks were left out because the one before had not ended."},
		{Name: Mismeasured, Severity: Warning, DependsOn: []Name{TargetDown},
			Advice: "Make the objective and what the service exports fit: a limit that the histogram has as a bucket, more groups allowed, samples that can be used."},
		{Name: SourceFailing, Severity: Error, DependsOn: []Name{Stopping},
			Advice: "Check the source of transactions and what it reads; it is begun again by itself, and loses nothing."},
		{Name: CalendarEnds, Severity: Warning,
			Advice: "Use a newer version, or a BusinessCalendar that extends the built-in one with what has changed: deadlines on days not known of are wrong."},
		{Name: MovementsDamaged, Severity: Error,
			Advice: "Restore a backup: a disk gave back other bytes than were written. All other movements are followed on."},
		{Name: HookFailing, Severity: Error, DependsOn: []Name{HookBreakerOpen},
			Advice: "Check the hook's address and credentials; this shows until an action succeeds or somebody approves, rejects, resumes or reloads."},
		{Name: HookBreakerOpen, Severity: Error, DependsOn: []Name{Stopping},
			Advice: "The hook failed too often and is not called for a while; check what it calls."},
		{Name: DeployedDrifted, Severity: Warning,
			Advice: "Look at the difference with assayer diff, then apply, or change the objectives or settings so that they say what is deployed."},
		{Name: DriftUnchecked, Severity: Warning, DependsOn: []Name{Stopping},
			Advice: "Check that the place named can be reached and that the agent's credentials may read there."},
	}
}
