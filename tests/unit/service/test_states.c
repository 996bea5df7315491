#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* For its table of functions. */
#include "service/actions.c"

static void test_no_cell_is_empty(void **state)
{
	for (int s = 0; s < SERVICE_STATE_COUNT; s++) {
		assert_non_null(service_state_name((enum service_state)s));
		for (int e = 0; e < SERVICE_EVENT_COUNT; e++)
			if (service_action_for((enum service_state)s, (enum service_event)e) ==
			    ACTION_NONE)
				fail_msg("%s x %s has no action",
				         service_state_name((enum service_state)s),
				         service_event_name((enum service_event)e));
	}
}

static void test_every_action_has_a_function(void **state)
{
	for (int a = ACTION_NONE + 1; a < SERVICE_ACTION_COUNT; a++)
		assert_non_null(actions[a]);
	assert_null(actions[ACTION_NONE]);
}

static void test_a_stop_always_leads_to_rest(void **state)
{
	for (int s = 0; s < SERVICE_STATE_COUNT; s++) {
		enum service_action action = service_action_for((enum service_state)s, EVENT_STOP);

		if (service_state_is_live((enum service_state)s))
			assert_true(action == ACTION_STOP_KEEPER || action == ACTION_STAY_DOWN);
		else
			assert_true(action == ACTION_REST || action == ACTION_CANCEL_PREPARE ||
			            action == ACTION_IGNORE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_cell_is_empty),
		cmocka_unit_test(test_every_action_has_a_function),
		cmocka_unit_test(test_a_stop_always_leads_to_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
