-- Purpose: the bucket's arithmetic, put in front of tick.lua and rules.lua; Refill in bucket.go is the same.
-- KEYS: none
-- ARGV: none
-- Returns: nothing by itself; defines UNIT and refill
-- Cost: O(1), exact: all values are integers below 2^53
-- Operation: changes nothing
local UNIT = 60000000
local HOUR = 3600000000
local function refill(tokens, at, now, rate, cap, paused)
  local elapsed = math.min(math.max(now - at, 0), HOUR)
  if not paused then
    tokens = tokens + elapsed * rate
  end
  return math.min(tokens, cap), math.max(at, now)
end
