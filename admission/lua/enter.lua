-- Purpose: redeem a pass: the admitted fan becomes a shopper.
-- KEYS: 1 rules, 2 state, 3 shoppers, 4 deadlines, 5 redeemed, 6 operation
-- ARGV: 1 now in microseconds ('' → TIME), 2 fan, 3 pass id, 4 epoch, 5 number,
--       6 admitted at (ms), 7 pass until (ms): what the verified pass says
-- Returns: {code, record}: 1 entered, with the fan's record; 2 the pass has expired; 3 the pass was
--       used and its time is over; 4 the fan holds another pass; -1 without rules
-- Cost: O(log N)
-- Operation: the answer is kept for a minute by the operation id. Also idempotent by the pass: who
--       has entered and still shops gets the same record again
local stored = redis.call('GET', KEYS[6])
if stored then
  return {tonumber(string.sub(stored, 1, 1)), string.sub(stored, 3)}
end
local shop = redis.call('HGET', KEYS[1], 'shop')
if not shop then
  return {-1, ''}
end
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000000 + time[2]
end
local millis = math.floor(now / 1000)
local fan, pass_until = ARGV[2], tonumber(ARGV[7])

local function answer(code, record)
  redis.call('SET', KEYS[6], code .. ':' .. record, 'PX', 60000)
  return {code, record}
end

-- A record that is missing while the pass is good and unused was lost with Redis: the pass speaks for itself.
local record = redis.call('HGET', KEYS[3], fan)
if record then
  local epoch, number, shop_until = string.match(record, '^(%d+):(%d+):%d+:%d+:(%d+)$')
  if epoch .. '.' .. number ~= ARGV[3] then
    return answer(4, '')
  end
  if shop_until ~= '0' then
    if millis < tonumber(shop_until) then
      return answer(1, record)
    end
    return answer(3, '')
  end
elseif redis.call('ZSCORE', KEYS[5], ARGV[3]) then
  return answer(3, '')
end
if millis >= pass_until then
  return answer(2, '')
end
local shop_until = millis + tonumber(shop)
record = string.format('%s:%s:%s:%s:%.0f', ARGV[4], ARGV[5], ARGV[6], ARGV[7], shop_until)
redis.call('HSET', KEYS[3], fan, record)
redis.call('ZADD', KEYS[4], shop_until, fan)
redis.call('ZADD', KEYS[5], pass_until, ARGV[3])
redis.call('HINCRBY', KEYS[2], 'entered', 1)
return answer(1, record)
