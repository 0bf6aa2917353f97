-- Purpose: takes or renews the lease on an event's mailbox.
-- KEYS: 1 lease, 2 wake
-- ARGV: 1 token of the clerk, 2 milliseconds the lease lasts, 3 '1' to take it
--   when nobody has it, '0' only to renew
-- Returns: 1 held by this token, 0 not
-- Cost: O(1)
-- Operation id: the token; the same call again renews.
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
elseif not holder and ARGV[3] == '1' then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  redis.call('DEL', KEYS[2])
else
  return 0
end
return 1
