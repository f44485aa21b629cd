-- Sends the plans of statements inside functions as notices, for the rest of the session. Needs the right to load
-- auto_explain.
LOAD 'auto_explain';
SELECT
    set_config('client_min_messages', 'notice', false),
    set_config('auto_explain.log_min_duration', '0', false),
    set_config('auto_explain.log_analyze', 'on', false),
    set_config('auto_explain.log_buffers', 'on', false),
    set_config('auto_explain.log_timing', 'off', false),
    set_config('auto_explain.log_nested_statements', 'on', false),
    set_config('auto_explain.log_level', 'notice', false)
