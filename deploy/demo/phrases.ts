/** What customers write about, and what a good reply to it says. `{product}` is filled in. */
export interface Topic {
  readonly problems: readonly string[];
  readonly requests: readonly string[];
  readonly regrets: readonly string[];
  readonly actions: readonly string[];
}

export const topics: readonly Topic[] = [
  {
    problems: [
      'My {product} has not arrived yet.',
      'I am still waiting for my {product} from two weeks ago.',
      'The parcel with my {product} is late.',
    ],
    requests: ['Where is it?', 'Can you find out where it is?'],
    regrets: ['I am sorry that your {product} is late.', 'I am sorry for the wait for your {product}.'],
    actions: [
      'I have asked the courier to find the parcel and will write to you tomorrow.',
      'It left our store today and will be with you in two days.',
    ],
  },
  {
    problems: [
      'My {product} arrived broken.',
      'Today my {product} came and it is damaged.',
      'I opened the box and my {product} was in pieces.',
    ],
    requests: ['Can I get a new one?', 'What can you do about it?'],
    regrets: ['I am sorry that your {product} arrived broken.', 'I am sorry about your {product}.'],
    actions: [
      'A new one is on its way and you do not need to send the old one back.',
      'I have sent you another one today at no cost.',
    ],
  },
  {
    problems: [
      'You sent the wrong one for my {product} order.',
      'The box with my {product} had something else in it.',
      'I wanted my {product} in blue and got a red one.',
    ],
    requests: ['Please send the right one.', 'Can I swap it?'],
    regrets: [
      'I am sorry that we mixed up your {product}.',
      'I am sorry for the mix-up with your {product}.',
    ],
    actions: [
      'The right one leaves our store today and the courier will collect the other one.',
      'I have put the right one in the post and added a label for the return.',
    ],
  },
  {
    problems: [
      'I sent my {product} back last month and have not seen the money.',
      'The refund for my {product} is missing.',
      'You promised a refund for my {product}.',
    ],
    requests: ['When will I get it?', 'Can you check this?'],
    regrets: [
      'I am sorry that the refund for your {product} took so long.',
      'Thank you for sending your {product} back.',
    ],
    actions: [
      'I have paid it out today and it will reach your bank in three days.',
      'The money is on its way to your card now.',
    ],
  },
  {
    problems: [
      'I was charged twice for my {product}.',
      'The bank shows two payments for my {product}.',
      'You took the price of my {product} two times.',
    ],
    requests: ['Please give one back.', 'Can you fix this?'],
    regrets: [
      'I am sorry that you paid twice for your {product}.',
      'I can see the two payments for your {product}.',
    ],
    actions: [
      'I have returned one of them and it will show on your card in three days.',
      'The second payment is cancelled and your bank will show it tomorrow.',
    ],
  },
  {
    problems: [
      'I would like to cancel my {product} order.',
      'I do not need my {product} any more.',
      'I made a mistake with my {product} order.',
    ],
    requests: ['Is that still possible?', 'Can you stop the order?'],
    regrets: ['Of course you can cancel your {product}.', 'No problem, you can still cancel your {product}.'],
    actions: [
      'I have stopped the order and you will not be charged.',
      'Your order is cancelled and the money is on its way back.',
    ],
  },
  {
    problems: [
      'I have moved and my {product} would go to the old address.',
      'I gave the wrong address for my {product}.',
      'The address for my {product} is old.',
    ],
    requests: ['Can you change it?', 'Please send it to the new one.'],
    regrets: [
      'Thank you for telling us before your {product} left.',
      'I am glad that you wrote before we sent your {product}.',
    ],
    actions: [
      'I have changed the address and the parcel leaves tomorrow.',
      'The parcel will go to the new address.',
    ],
  },
  {
    problems: [
      'My {product} stopped working after a month.',
      'Since today my {product} does not turn on.',
      'My {product} makes a strange noise.',
    ],
    requests: ['Is it under warranty?', 'Can you repair it?'],
    regrets: [
      'I am sorry that your {product} does not work.',
      'I am sorry for the trouble with your {product}.',
    ],
    actions: [
      'It is under warranty and I have sent you a label for the free repair.',
      'We will repair it for free and the courier will collect it on Monday.',
    ],
  },
];

export const greetings = ['Hello,', 'Hi,', 'Dear team,', 'Good morning,'];

export const products = ['kettle', 'lamp', 'chair', 'radio', 'toaster', 'jacket', 'camera', 'clock'];

export const names = ['Anna', 'Ben', 'Clara', 'David', 'Emma', 'Felix', 'Grace', 'Henry', 'Ida', 'Jonas'];

export const closings = [
  'Please write to me if you need anything else.',
  'Is there anything else that I can do for you?',
  'Thank you for shopping with us.',
];

export const curtReplies = [
  'Read the rules on our website.',
  'Not our problem.',
  'Ask the courier.',
  'No.',
  'You should have thought of that before.',
  'We are busy. Write again next week.',
  'That is your own fault.',
  'We cannot help you.',
];

export const ramblings = [
  'Our shop was founded many years ago by two brothers who loved the sea.',
  'We sell more than one thousand fine products for home and garden.',
  'The weather has been warm this week and the team went to the lake.',
  'Many people write to us every day about many different things.',
  'In spring we painted the office and now it looks very bright.',
  'Our new catalogue has a nice picture of a mountain on the cover.',
  'Some say that parcels are like birds because they travel far.',
  'There is also a newsletter that we send to all our friends.',
  'My colleague once had a very similar day and laughed about it.',
  'We believe that every question is the start of a long journey.',
];
