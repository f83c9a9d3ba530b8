"""Facts of the publishers that their layouts alone do not give: which sequences are of which list."""

from __future__ import annotations

# LaSOT's 280 test sequences: a class and its numbers a line.
_LASOT_TEST = """
airplane 1 9 13 15
basketball 1 6 7 11
bear 2 4 6 17
bicycle 2 7 9 18
bird 2 3 15 17
boat 3 4 12 17
book 3 10 11 19
bottle 1 12 14 18
bus 2 5 17 19
car 2 6 9 17
cat 1 3 18 20
cattle 2 7 12 13
spider 14 16 18 20
coin 3 6 7 18
crab 3 6 12 18
surfboard 12 4 5 8
cup 1 4 7 17
deer 4 8 10 14
dog 1 7 15 19
guitar 3 8 10 16
person 1 5 10 12
pig 2 10 13 18
rubicCube 1 6 14 19
swing 10 14 17 20
drone 13 15 2 7
pool 12 15 3 7
rabbit 10 13 17 19
racing 10 15 16 20
robot 1 19 5 8
sepia 13 16 6 8
sheep 3 5 7 9
skateboard 16 19 3 8
tank 14 16 6 9
tiger 12 18 4 6
train 1 11 20 7
truck 16 3 6 7
turtle 16 5 8 9
umbrella 17 19 2 9
yoyo 15 17 19 7
zebra 10 14 16 17
elephant 1 12 16 18
goldfish 3 7 8 10
hat 1 2 5 18
kite 4 6 10 15
motorcycle 1 3 9 18
mouse 1 8 9 17
flag 3 9 5 2
frog 3 4 20 9
gametarget 1 2 7 13
hand 2 3 9 16
helmet 5 11 19 13
licenseplate 6 12 13 15
electricfan 1 10 18 20
chameleon 3 6 11 20
crocodile 3 4 10 14
gecko 1 5 16 19
fox 2 3 5 20
giraffe 2 10 13 15
gorilla 4 6 9 13
hippo 1 7 9 20
horse 1 4 12 15
kangaroo 2 5 11 14
leopard 1 7 16 20
lion 1 5 12 20
lizard 1 3 6 13
microphone 2 6 14 16
monkey 3 4 9 17
shark 2 3 5 6
squirrel 8 11 13 19
volleyball 1 13 18 19
"""
LASOT_TEST = frozenset(f"{name}-{number}" for line in _LASOT_TEST.split("\n") if line
                       for name, *numbers in [line.split()] for number in numbers)

# OTB-100's sequences; those with a 3 are of OTB-2013 (TB-50 of the first paper), those with a 5 of OTB-50.
_OTB = """
Basketball:35 Biker:5 Bird1:5 Bird2 BlurBody:5 BlurCar1 BlurCar2:5 BlurCar3 BlurCar4 BlurFace:5 BlurOwl:5 Board
Bolt:35 Bolt2 Box:5 Boy:3 Car1:5 Car2 Car24 Car4:35 CarDark:35 CarScale:35 ClifBar:5 Coke:3 Couple:35 Coupon
Crossing:3 Crowds:5 Dancer Dancer2 David:35 David2:3 David3:3 Deer:35 Diving:5 Dog Dog1:3 Doll:3 DragonBaby:5 Dudek:35
FaceOcc1:3 FaceOcc2:3 Fish:3 FleetFace:3 Football:35 Football1:3 Freeman1:3 Freeman3:3 Freeman4:35 Girl:35 Girl2 Gym
Human2 Human3:5 Human4:5 Human5 Human6:5 Human7 Human8 Human9:5 Ironman:35 Jogging:3 Jump:5 Jumping:35 KiteSurf
Lemming:3 Liquor:35 Man Matrix:35 Mhyang:3 MotorRolling:35 MountainBike:3 Panda:5 RedTeam:5 Rubik Shaking:35 Singer1:3
Singer2:35 Skater Skater2 Skating1:35 Skating2:5 Skiing:35 Soccer:35 Subway:3 Surfer:5 Suv:3 Sylvester:35 Tiger1:3
Tiger2:35 Toy Trans Trellis:35 Twinnings Vase Walking:35 Walking2:35 Woman:35
"""
OTB = {name: marks for word in _OTB.split() for name, _, marks in [word.partition(":")]}

# UAV123: sequence, first and last frame of the folder that is called as the sequence without its `_N`, where it has a
# piece of one. UAV20L has whole folders: folder, last frame.
_UAV123 = """
bike1:1:3085 bike2:1:553 bike3:1:433 bird1_1:1:253 bird1_2:775:1477 bird1_3:1573:2437 boat1:1:901 boat2:1:799
boat3:1:901 boat4:1:553 boat5:1:505 boat6:1:805 boat7:1:535 boat8:1:685 boat9:1:1399 building1:1:469 building2:1:577
building3:1:829 building4:1:787 building5:1:481 car1_1:1:751 car1_2:751:1627 car1_3:1627:2629 car2:1:1321 car3:1:1717
car4:1:1345 car5:1:745 car6_1:1:487 car6_2:487:1807 car6_3:1807:2953 car6_4:2953:3925 car6_5:3925:4861 car7:1:1033
car8_1:1:1357 car8_2:1357:2575 car9:1:1879 car10:1:1405 car11:1:337 car12:1:499 car13:1:415 car14:1:1327 car15:1:469
car16_1:1:415 car16_2:415:1993 car17:1:1057 car18:1:1207 group1_1:1:1333 group1_2:1333:2515 group1_3:2515:3925
group1_4:3925:4873 group2_1:1:907 group2_2:907:1771 group2_3:1771:2683 group3_1:1:1567 group3_2:1567:2827
group3_3:2827:4369 group3_4:4369:5527 person1:1:799 person2_1:1:1189 person2_2:1189:2623 person3:1:643
person4_1:1:1501 person4_2:1501:2743 person5_1:1:877 person5_2:877:2101 person6:1:901 person7_1:1:1249
person7_2:1249:2065 person8_1:1:1075 person8_2:1075:1525 person9:1:661 person10:1:1021 person11:1:721 person12_1:1:601
person12_2:601:1621 person13:1:883 person14_1:1:847 person14_2:847:1813 person14_3:1813:2923 person15:1:1339
person16:1:1147 person17_1:1:1501 person17_2:1501:2347 person18:1:1393 person19_1:1:1243 person19_2:1243:2791
person19_3:2791:4357 person20:1:1783 person21:1:487 person22:1:199 person23:1:397 truck1:1:463 truck2:1:385
truck3:1:535 truck4_1:1:577 truck4_2:577:1261 uav1_1:1:1555 uav1_2:1555:2377 uav1_3:2473:3469 uav2:1:133 uav3:1:265
uav4:1:157 uav5:1:139 uav6:1:109 uav7:1:373 uav8:1:301 wakeboard1:1:421 wakeboard2:1:733 wakeboard3:1:823
wakeboard4:1:697 wakeboard5:1:1675 wakeboard6:1:1165 wakeboard7:1:199 wakeboard8:1:1543 wakeboard9:1:355
wakeboard10:1:469 car1_s:1:1475 car2_s:1:320 car3_s:1:1300 car4_s:1:830 person1_s:1:1600 person2_s:1:250
person3_s:1:505
"""
UAV123 = {name: (int(first), int(last)) for name, first, last in (word.split(":") for word in _UAV123.split())}
_UAV20L = """
bike1:3085 bird1:2437 car1:2629 car3:1717 car6:4861 car8:2575 car9:1879 car16:1993 group1:4873 group2:2683 group3:5527
person2:2623 person4:2743 person5:2101 person7:2065 person14:2923 person17:2347 person19:4357 person20:1783 uav1:3469
"""
UAV20L = {name: (1, int(last)) for name, last in (word.split(":") for word in _UAV20L.split())}
