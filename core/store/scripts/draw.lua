-- Ask for one call on the rate budgets of a platform; the theory stands in core/replies/budget.py, which does the same.
-- KEYS  for each bucket five:  calls (sorted set: a call of the running window, by its time)
--                              alive (sorted set: Replies, by the time until which they count)
--                              apart (sorted set: those of them whose end may come in a message of its own)
--                              state (hash: tokens, at; closed; seq)
--                              line (sorted set: '<priority>:<Reply>' of who waits, by the time he was told)
-- ARGV  1 name of the Reply, '' for none   2 priority, 0 (final) to 5 (interim)
--       3 for how long it would wait (s), '' for as long as need be   4 '1' if its end may come in a message of its own
--       5 how steeply the gap grows   6 how long a Reply counts after a call (s)
--       7 how long a place in line is kept (s)   8 how soon places have to come back for the ends still to come (s)
--       9 '1' if the last bucket is the one that the end of what is begun will draw on
--       10 now (s), '' for Redis's clock
--       then for each bucket three:  'window' or 'rate'   calls or burst   seconds or calls a second
-- Gives {'1' if the call may go and is accounted for, seconds to wait, fair gap (s), '1' if the end of what is begun is
-- promised a place in the same message, number of the bucket that the platform has closed for the longest time or '0',
-- for how long (s)}.
-- The clock is Redis's, the same for all replicas: theirs may differ by more than a window allows.
local NEVER, ROUNDING, KEPT, PARTS, FIXED = -1, 1e-6, 600, 5, 10
local FINAL, FIRST, NOTICE, STATUS, LATE, INTERIM = 0, 1, 2, 3, 4, 5
local stream, priority, patience, apart = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
local steepness, counts, late, hope = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local now = tonumber(ARGV[10])
if not now then
  local time = redis.call('TIME')
  now = time[1] + time[2] / 1000000
end
local place_in_line = priority .. ':' .. stream
local ends_here = priority == FINAL or priority == NOTICE

local function text(number)
  return string.format('%.6f', number)
end

local function spared(rank, alive, most, window)
  if rank == FINAL then return 0 end
  if rank == FIRST then return math.floor(most / (window and 12 or 4)) end
  if rank == NOTICE then return math.floor(most / (window and 8 or 4)) end
  if rank == STATUS or rank == LATE then return math.floor(most / (window and 4 or 3)) end
  if window then return math.min(alive + 2, most - 1) end
  return math.min(alive, math.floor(most / 2))
end

local function is_alive(b)
  return redis.call('ZSCORE', b.alive, stream) and true or false
end

local function is_apart(b)
  return redis.call('ZSCORE', b.apart, stream) and true or false
end

local function count(b, its_end_is_apart)
  if stream ~= '' then
    redis.call('ZADD', b.alive, 'GT', text(now + counts), stream)
    if its_end_is_apart then
      redis.call('ZADD', b.apart, 'GT', text(now + counts), stream)
    else
      redis.call('ZREM', b.apart, stream)
    end
  end
end

local function ended(b)
  redis.call('ZREM', b.alive, stream)
  redis.call('ZREM', b.apart, stream)
end

local function opened(number)
  local key, arg = PARTS * (number - 1), FIXED + 3 * (number - 1)
  local b = {
    calls = KEYS[key + 1], alive = KEYS[key + 2], apart = KEYS[key + 3], state = KEYS[key + 4], line = KEYS[key + 5],
    window = ARGV[arg + 1] == 'window', most = tonumber(ARGV[arg + 2]), per = tonumber(ARGV[arg + 3]),
  }
  local known = redis.call('HMGET', b.state, 'closed', 'tokens', 'at')
  b.closed = tonumber(known[1] or NEVER)
  if b.window then
    redis.call('ZREMRANGEBYSCORE', b.calls, '-inf', text(now - b.per + ROUNDING))
    b.used = redis.call('ZCARD', b.calls)
  else
    local at = tonumber(known[3] or now)
    local since = math.max(at, math.min(b.closed, now)) -- a closed bucket does not fill
    b.tokens = math.min(b.most, tonumber(known[2] or b.most) + math.max(now - since, 0) * b.per)
    b.at = math.max(at, now)
    b.used = b.most - b.tokens
  end
  redis.call('ZREMRANGEBYSCORE', b.alive, '-inf', text(now))
  redis.call('ZREMRANGEBYSCORE', b.apart, '-inf', text(now))
  redis.call('ZREMRANGEBYSCORE', b.line, '-inf', text(now - late))
  return b
end

local function promised(b) -- how many answers can end nowhere but here
  return redis.call('ZCARD', b.alive) - redis.call('ZCARD', b.apart)
end

local function open_to(b, rank, its_end_is_apart)
  local left = spared(rank, redis.call('ZCARD', b.alive), b.most, b.window)
  if its_end_is_apart and (rank == FINAL or rank == NOTICE) then
    return math.max(0, b.most - math.max(left, promised(b) + spared(FIRST, 0, b.most, b.window)))
  end
  return math.max(1, b.most - left)
end

local function interval(b, rank)
  return b.window and b.per / open_to(b, rank) or 1 / b.per
end

local function ahead_of(b, rank) -- when those go whom a call of that rank does not overtake
  local times = {}
  if redis.call('ZCARD', b.line) > 0 then
    local line = redis.call('ZRANGE', b.line, 0, -1, 'WITHSCORES')
    for at = 1, #line, 2 do
      if tonumber(string.sub(line[at], 1, 1)) <= rank then
        times[#times + 1] = tonumber(line[at + 1])
      end
    end
  end
  return times
end

local function back_at(b, missing, ahead) -- when that many places will have come back
  local at = math.max(now, b.closed)
  if missing <= 0 then return at end
  if not b.window then return at + missing / b.per end
  local last = math.floor(missing)
  if last <= b.used then
    return math.max(at, tonumber(redis.call('ZRANGE', b.calls, last - 1, last - 1, 'WITHSCORES')[2]) + b.per)
  end
  return math.max(at, (ahead[last - b.used] or now) + b.per)
end

-- When so many places will have come back besides those of who is ahead. Who has waited has nobody ahead of him; but a
-- first text whose place an end has taken stands in line anew, or all of them would come again with every place.
local function turn_at(b, missing, waited, hoped)
  if waited then
    local at = math.max(now, back_at(b, missing, {}) - hoped)
    if at <= now + ROUNDING or (priority ~= FIRST and priority ~= LATE) then return at end
  end
  local ahead = ahead_of(b, priority)
  return math.max(now, back_at(b, missing + #ahead, ahead) - hoped)
end

local function lacks(b, ahead, more) -- how many places are missing for the ends that were promised, and so many more
  return b.used + #ahead + promised(b) + more - b.most
end

local buckets, ending = {}, nil
for number = 1, #KEYS / PARTS do
  buckets[number] = opened(number)
  if ends_here then ended(buckets[number]) end
end
if ARGV[9] == '1' then ending = table.remove(buckets) end

local at, waited = now, false
for _, b in ipairs(buckets) do
  if not ends_here and not (ending and is_alive(ending)) then count(b, apart and not ending) end
  waited = redis.call('ZSCORE', b.line, place_in_line) and true or false
  for rank = FINAL, INTERIM do
    redis.call('ZREM', b.line, rank .. ':' .. stream)
  end
  b.opens = turn_at(b, b.used + 1 - open_to(b, priority, apart), waited, 0)
end
local has_promise = true
if ending and not ends_here and (is_apart(ending) or not is_alive(ending)) then
  local finals = ahead_of(ending, FINAL)
  local promise_at = math.max(now, back_at(ending, lacks(ending, finals, 1), finals) - hope)
  has_promise = promise_at <= now + ROUNDING
  local widest = buckets[#buckets]
  local free = math.max(0, -lacks(ending, finals, has_promise and 1 or 0))
  local hopeful = redis.call('ZCARD', ending.apart) - (is_apart(ending) and 1 or 0) + (has_promise and 0 or 1)
  local unbegun = redis.call('ZCARD', widest.alive) - (is_alive(widest) and 1 or 0)
  local places = widest.used + 1 + math.max(0, hopeful - free) + unbegun
  local room = turn_at(widest, places - open_to(widest, priority), waited, hope)
  if not has_promise and not apart then room = math.max(room, promise_at) end
  widest.opens = math.max(widest.opens, room)
end
for _, b in ipairs(buckets) do
  at = math.max(at, b.opens)
end

local go = at <= now + ROUNDING
local wait = go and 0 or at - now
local number, closed = 0, 0
for place, b in ipairs(buckets) do
  if go then
    b.used = b.used + 1
    if b.window then
      redis.call('ZADD', b.calls, text(now), redis.call('HINCRBY', b.state, 'seq', 1))
    else
      b.tokens = b.tokens - 1
    end
    if ending then ended(b) elseif priority == INTERIM then redis.call('ZREM', b.apart, stream) end
  elseif b.opens > now + ROUNDING and stream ~= '' and (not patience or wait <= patience) then
    redis.call('ZADD', b.line, text(at), place_in_line)
  end
  if not b.window then
    redis.call('HSET', b.state, 'tokens', text(b.tokens), 'at', text(b.at))
  end
  if b.closed - now > closed then
    number, closed = place, b.closed - now
  end
end
if go and ending and not ends_here then count(ending, not has_promise) end

local gap = 0
for _, b in ipairs(ending and {ending} or buckets) do
  local mine, between = open_to(b, INTERIM), interval(b, INTERIM)
  local alive = redis.call('ZCARD', b.alive)
  local even = alive * between
  gap = math.max(gap, even * math.min(1, math.max(0, b.used / mine)) ^ (steepness / math.max(alive, 1) ^ 2))
  if b.window and b.used > 0 and b.used < mine then
    local oldest = redis.call('ZRANGE', b.calls, 0, 0, 'WITHSCORES')
    local frees_in = tonumber(oldest[2]) + b.per - now
    local stretch = frees_in / (mine - b.used) / between
    gap = math.max(gap, math.min(even * (stretch < 3 and stretch ^ 3 / 9 or stretch), frees_in))
  end
end
if ending then buckets[#buckets + 1] = ending end
for _, b in ipairs(buckets) do
  local until_ = text(now + wait + 2 * gap + counts)
  redis.call('ZADD', b.alive, 'XX', until_, stream)
  redis.call('ZADD', b.apart, 'XX', until_, stream)
  local kept = math.ceil(math.max(KEPT, b.closed - now + KEPT, 2 * gap + wait + counts))
  redis.call('EXPIRE', b.calls, kept)
  redis.call('EXPIRE', b.alive, kept)
  redis.call('EXPIRE', b.apart, kept)
  redis.call('EXPIRE', b.state, kept)
  redis.call('EXPIRE', b.line, kept)
end
return {go and '1' or '0', text(wait), text(gap), has_promise and '1' or '0', tostring(number), text(closed)}
