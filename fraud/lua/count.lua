-- Purpose: counts, over two sliding windows, the other fans who have ordered
--   with the same traces, and notes this one; reads cells of the joins' sketch.
-- KEYS: 1 the sketch of joins (string), then one sorted set a trace: fan →
--   milliseconds of the order
-- ARGV: 1 fan, 2 now in milliseconds or '' for Redis' clock, 3 and 4 the short
--   and the long window in milliseconds, 5 most fans kept of a trace, 6 a digit
--   for each trace: 1 if the fan was noted with it already, then the bit offsets
--   of 16-bit cells of the sketch
-- Returns: {short count, long count of each trace…, each cell…}
-- Cost: O(log N + what has left the window) a trace, N at most ARGV[5]
-- Operation: idempotent by the fan, who is in a set once
local fan, now = ARGV[1], tonumber(ARGV[2])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local short, long, most = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local answer = {}
local function since(key, window)
  return redis.call('ZCOUNT', key, string.format('%.0f', now - window), '+inf')
end
for i = 2, #KEYS do
  local key = KEYS[i]
  local mine = string.sub(ARGV[6], i - 1, i - 1) == '1' and redis.call('ZSCORE', key, fan)
  local noted = mine
  mine = tonumber(mine or now)
  if not noted then
    redis.call('ZADD', key, now, fan)
    redis.call('PEXPIRE', key, long)
  end
  local recent, all = 0, 0
  local kept = redis.call('ZCARD', key)
  if kept > 1 then
    if noted then
      all = since(key, long)
    else
      all = kept - redis.call('ZREMRANGEBYSCORE', key, '-inf', '(' .. string.format('%.0f', now - long))
      if all > most then
        redis.call('ZREMRANGEBYRANK', key, 0, all - most - 1)
      end
    end
    recent = since(key, short) - (mine >= now - short and 1 or 0)
    all = all - (mine >= now - long and 1 or 0)
  end
  answer[#answer + 1] = recent
  answer[#answer + 1] = all
end
for i = 7, #ARGV do
  answer[#answer + 1] = redis.call('BITFIELD', KEYS[1], 'GET', 'u16', ARGV[i])[1]
end
return answer
